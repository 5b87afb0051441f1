/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a managed vhost serves while the certificate that is wanted for it is
 * not there: whatever else the store has for its name. An edit of httpd.conf
 * that moves a vhost to another certificate (CFOriginPack, a
 * CFOriginCertificate line that comes or goes, a new first name) must not take
 * the one away that it has. Reads the store only.
 */
#ifndef CFORIGIN_STAND_IN_H
#define CFORIGIN_STAND_IN_H

#include "cforigin_standing.h"

/**
 * The pair of that type that suits the vhost best: one that is in date before
 * one that isn't, one with its first name, one with more of its names, the
 * youngest. One of its names at the least is on it.
 * @param vhost its index
 * @return lives as long as the generation; NULL when there is none
 */
const cfo_entry_t *cfo_stand_in_find(cfo_generation_t *gen, int vhost,
                                     cfo_request_type_t type, apr_time_t now);

#endif
