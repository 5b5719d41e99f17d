/* The fields of a record: which of them are asked for, and in which shape.
 *
 * A scan asks for what records are judged by; where records are read whole, for all that becomes a column. Times and
 * the members of an object are understood here too.
 */

#ifndef ECS_TRAIL_FIELDS_H
#define ECS_TRAIL_FIELDS_H

#include "json.h"

enum {
    /* the first three are the home of a record, the first seven its kind, the first ten that of one read whole */
    ACCOUNT, REGION, SOURCE, NAME, ERROR, TYPE, CATEGORY, VERSION, READ_ONLY, MANAGEMENT,
    ADDRESS, AGENT, ID, REQUEST, SHARED, MESSAGE, TIME,
    IDENTITY, PARAMETERS, RESPONSE, ADDITIONAL, DETAILS, RESOURCES, TLS, FIELDS,
    INSIGHT = FIELDS, OTHER,
    HOME = SOURCE + 1, KIND = CATEGORY + 1, WHOLE_KIND = MANAGEMENT + 1, ORIGIN = AGENT + 1 - ADDRESS,
};

/* Which field of a record a name is; those that a scan does not ask for are others to it. */
static inline int field_of(const Name *one, int is_whole)
{
    switch (one->length) {
    case 7:
        return IS_NAMED(one, "eventID") ? ID : OTHER;
    case 8:
        return is_whole && IS_NAMED(one, "readOnly") ? READ_ONLY : OTHER;
    case 9:
        return IS_NAMED(one, "eventTime") ? TIME : IS_NAMED(one, "eventName") ? NAME
            : IS_NAMED(one, "eventType") ? TYPE : IS_NAMED(one, "awsRegion") ? REGION
            : IS_NAMED(one, "errorCode") ? ERROR
            : !is_whole ? OTHER
            : IS_NAMED(one, "userAgent") ? AGENT : IS_NAMED(one, "requestID") ? REQUEST
            : IS_NAMED(one, "resources") ? RESOURCES : OTHER;
    case 10:
        return is_whole && IS_NAMED(one, "tlsDetails") ? TLS : OTHER;
    case 11:
        return IS_NAMED(one, "eventSource") ? SOURCE : OTHER;
    case 12:
        return IS_NAMED(one, "userIdentity") ? IDENTITY : IS_NAMED(one, "eventVersion") ? VERSION
            : is_whole && IS_NAMED(one, "errorMessage") ? MESSAGE : OTHER;
    case 13:
        return IS_NAMED(one, "eventCategory") ? CATEGORY
            : is_whole && IS_NAMED(one, "sharedEventID") ? SHARED : OTHER;
    case 14:
        return IS_NAMED(one, "insightDetails") ? INSIGHT : OTHER;
    case 15:
        return !is_whole ? OTHER : IS_NAMED(one, "sourceIPAddress") ? ADDRESS
            : IS_NAMED(one, "managementEvent") ? MANAGEMENT : OTHER;
    case 16:
        return is_whole && IS_NAMED(one, "responseElements") ? RESPONSE : OTHER;
    case 17:
        return IS_NAMED(one, "requestParameters") ? PARAMETERS : OTHER;
    case 18:
        return IS_NAMED(one, "recipientAccountId") ? ACCOUNT : OTHER;
    case 19:
        return !is_whole ? OTHER : IS_NAMED(one, "additionalEventData") ? ADDITIONAL
            : IS_NAMED(one, "serviceEventDetails") ? DETAILS : OTHER;
    default:
        return OTHER;
    }
}

typedef struct {
    const char *name;
    size_t length;
} Asked;

/* An object, the value of a name with this shape, of which two members are asked for: each a string or null, and none
 * twice. */
static inline Place two_of(Text *text, Place p, unsigned shape, const Asked asked[2], Span found[2])
{
    Name one;
    int more, known[2] = {0, 0};
    uint16_t *link = inside(text, shape);
    if (!is_at(p, text->end, '{'))
        return NULL;
    p++;
    for (int is_first = 1; (more = member(text, &p, is_first, link, &one)) > 0; is_first = 0) {
        Shape *mine = &text->shapes->all[one.shape];
        int which = mine->field;
        if (which == UNKNOWN) {
            which = is_named(&one, asked[0].name, asked[0].length) ? 0
                : is_named(&one, asked[1].name, asked[1].length) ? 1 : 2;
            if (one.shape != NO_SHAPE)
                mine->field = (uint8_t)which;
        }
        if (which < 2 && known[which]++)
            return NULL;
        p = which < 2 ? string_or_null(text, one.value, &found[which]) : value(text, one.value, one.shape);
        if (!p)
            return NULL;
        link = behind(text, one.shape);
    }
    return more < 0 ? NULL : p;
}

/* A time YYYY-MM-DDThh:mm:ssZ as a number; 0 for any other spelling, and for one that no calendar has. */
static uint64_t moment(const Span *time)
{
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
    static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint64_t all = 0;
    if (!time->at || time->length != sizeof(form) - 1)
        return 0;
    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        unsigned char c = time->at[i];
        if (form[i] == 'd' ? !is_digit(c) : c != (unsigned char)form[i])
            return 0;
        if (form[i] == 'd')
            all = all * 10 + (unsigned)(c - '0');
    }
    unsigned year = (unsigned)(all / 10000000000), month = (unsigned)(all / 100000000 % 100);
    unsigned day = (unsigned)(all / 1000000 % 100);
    unsigned leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    /* of the first and the last year not every zone can say the ends */
    if (year < 2 || year > 9998 || month < 1 || month > 12 || day < 1)
        return 0;
    if (day > days[month - 1] + (month == 2 ? leap : 0))
        return 0;
    return all / 10000 % 100 > 23 || all / 100 % 100 > 59 || all % 100 > 59 ? 0 : all;
}

/* The microseconds since 1970 of such a number. */
static int64_t since_1970(uint64_t all)
{
    static const unsigned before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t year = (int64_t)(all / 10000000000), month = (int64_t)(all / 100000000 % 100), past = year - 1;
    int is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    int64_t days = past * 365 + past / 4 - past / 100 + past / 400 - 719162; /* up to the end of the year before */
    days += before[month - 1] + (is_leap && month > 2) + (int64_t)(all / 1000000 % 100) - 1;
    return (days * 86400 + (int64_t)(all / 10000 % 100 * 3600 + all / 100 % 100 * 60 + all % 100)) * 1000000;
}

#endif
