/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Times as dates of the Gregorian calendar, in UTC, and back. Reckoned here
 * and in 64 bits all through: time_t may have 32, which end in 2038 while a
 * certificate of fifteen years does not; timegm() is no standard function,
 * and mktime() asks the environment for a time zone. Pure; in
 * core/calendar.c.
 */
#ifndef CFORIGIN_CALENDAR_H
#define CFORIGIN_CALENDAR_H

#include <apr_time.h>

typedef struct cfo_date_t {
    apr_int64_t year; /* 2026; 0 is the one before 1 */
    int month, day;   /* 1 to 12, 1 to 31 */
    int hour, minute, second;
} cfo_date_t;

/** The second that a time is in, before 1970 as well. */
cfo_date_t cfo_date_of(apr_time_t t);

/** The time of a date that exists; more hours, minutes or seconds than there
 * are (a leap second) are those after it. */
apr_time_t cfo_date_time(const cfo_date_t *date);

/** 28 to 31. */
int cfo_date_month_days(apr_int64_t year, int month);

#define CFO_DATE_WORD sizeof("9999-12-31T23:59:59Z")

/** "2026-11-23T08:00:00Z". Of a time that is not in the years 0 to 9999, the
 * nearest that is.
 * @param word filled in, and returned */
const char *cfo_date_word(char word[CFO_DATE_WORD], apr_time_t t);

#endif
