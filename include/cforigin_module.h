/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the module's own rooms share: the module record, and the small words
 * for "where in httpd.conf". Nothing of core includes this.
 */
#ifndef CFORIGIN_MODULE_H
#define CFORIGIN_MODULE_H

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <apr_strings.h>

APLOG_USE_MODULE(cforigin);
extern module AP_MODULE_DECLARE_DATA cforigin_module;

/** "file:line" of a directive, as messages show it. */
static inline const char *cfo_where(apr_pool_t *p, const ap_directive_t *d)
{
    return apr_psprintf(p, "%s:%d", d->filename, d->line_num);
}

#endif
