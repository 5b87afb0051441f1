/* SPDX-License-Identifier: Apache-2.0 */
/* The calendar. Pure: numbers in, numbers and their digits out. */
#include "cforigin_calendar.h"

#include <string.h>

#define DAY 86400

/* Years begin in March in here, so that a leap day comes last; an era is the
 * 400 of them after which the calendar repeats. */
#define DAYS_OF_ERA 146097
#define MARCH_OF_YEAR_0 719468 /* days before 1970 */

#define YEAR_0 APR_INT64_C(-62167219200)
#define YEAR_10000 APR_INT64_C(253402300800)

static apr_int64_t floor_of(apr_int64_t n, apr_int64_t divisor)
{
    return n / divisor - (n % divisor < 0);
}

cfo_date_t cfo_date_of(apr_time_t t)
{
    apr_int64_t seconds = floor_of(t, APR_USEC_PER_SEC);
    apr_int64_t days = floor_of(seconds, DAY);
    int rest = (int)(seconds - days * DAY);
    apr_int64_t era = floor_of(days + MARCH_OF_YEAR_0, DAYS_OF_ERA);
    int day = (int)(days + MARCH_OF_YEAR_0 - era * DAYS_OF_ERA);
    int year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    cfo_date_t date = {
        .hour = rest / 3600, .minute = rest / 60 % 60, .second = rest % 60};

    day -= 365 * year + year / 4 - year / 100;
    date.month = (5 * day + 2) / 153;
    date.day = day - (153 * date.month + 2) / 5 + 1;
    date.month += date.month < 10 ? 3 : -9;
    date.year = era * 400 + year + (date.month <= 2);
    return date;
}

apr_time_t cfo_date_time(const cfo_date_t *date)
{
    apr_int64_t year = date->year - (date->month <= 2);
    apr_int64_t era = floor_of(year, 400), of_era = year - era * 400;
    int month = date->month + (date->month > 2 ? -3 : 9);
    apr_int64_t days = era * DAYS_OF_ERA + of_era * 365 + of_era / 4 -
                       of_era / 100 + (153 * month + 2) / 5 + date->day - 1 -
                       MARCH_OF_YEAR_0;

    return apr_time_from_sec(days * DAY + date->hour * 3600 +
                             date->minute * 60 + date->second);
}

int cfo_date_month_days(apr_int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

static void two_digits(char *to, int number)
{
    to[0] = (char)('0' + number / 10);
    to[1] = (char)('0' + number % 10);
}

/* Five times a certificate of the status, thousands of certificates: worth
 * digits of its own. */
const char *cfo_date_word(char word[CFO_DATE_WORD], apr_time_t t)
{
    const apr_time_t first = apr_time_from_sec(YEAR_0);
    const apr_time_t last = apr_time_from_sec(YEAR_10000) - 1;
    cfo_date_t date = cfo_date_of(t < first ? first : t > last ? last : t);
    int year = (int)date.year;

    memcpy(word, "0000-00-00T00:00:00Z", CFO_DATE_WORD);
    two_digits(word, year / 100);
    two_digits(word + 2, year % 100);
    two_digits(word + 5, date.month);
    two_digits(word + 8, date.day);
    two_digits(word + 11, date.hour);
    two_digits(word + 14, date.minute);
    two_digits(word + 17, date.second);
    return word;
}
