/* One walk over a text of CloudTrail records: where each stands, and which different values they hold.
 *
 * Nothing is judged here, and nothing decoded. A text is taken when it is plain: JSON in the shapes that trails are
 * written in, with fields of the types that CloudTrail gives them. Whatever is unusual is refused, and a slower road
 * reads the text: so this walk may know less than JSON, but never more. The caller is `walk/__init__.py`.
 */

#include "json.h"
#include "tables.h"

#if defined(_WIN32)
#define PUBLIC __declspec(dllexport)
#else
#define PUBLIC __attribute__((visibility("default")))
#endif

/* A record: its bytes in the text, and the numbers of its values. `asked` is 0 where it asks for no session, else one
 * more than the number. */
typedef struct {
    uint32_t start, end, kind, caller, asked;
} Record;

typedef struct {
    Table kinds, callers, asked;
    Record *records;
    uint64_t count, room;
    uint64_t seed;
    Text text;
    uint32_t number;        /* of the text */
} Walk;

/* Of a table: the bytes of the values that the caller has not been told of, and what was seen in this text. */
typedef struct {
    const unsigned char *fresh;
    uint64_t fresh_length;
    const Seen *seen;
    uint64_t seen_count;
} Told;

/* What a text holds. All that it points to is good until the next call for the same walk. */
typedef struct {
    const Record *records;
    uint64_t has_high;
    Told kinds, callers, asked;
} Found;

enum {
    /* texts of a record: the first seven are its kind */
    ACCOUNT, REGION, SOURCE, NAME, ERROR, TYPE, CATEGORY, VERSION, ID, TIME, TEXTS,
    IDENTITY = TEXTS, PARAMETERS, INSIGHT, OTHER,
    KIND = CATEGORY + 1,
};

/* Which field of a record a name is. */
static inline int field_of(const Member *one)
{
    switch (one->length) {
    case 7:
        return IS_NAMED(one, "eventID") ? ID : OTHER;
    case 9:
        return IS_NAMED(one, "eventTime") ? TIME : IS_NAMED(one, "eventName") ? NAME
            : IS_NAMED(one, "eventType") ? TYPE : IS_NAMED(one, "awsRegion") ? REGION
            : IS_NAMED(one, "errorCode") ? ERROR : OTHER;
    case 11:
        return IS_NAMED(one, "eventSource") ? SOURCE : OTHER;
    case 12:
        return IS_NAMED(one, "userIdentity") ? IDENTITY : IS_NAMED(one, "eventVersion") ? VERSION : OTHER;
    case 13:
        return IS_NAMED(one, "eventCategory") ? CATEGORY : OTHER;
    case 14:
        return IS_NAMED(one, "insightDetails") ? INSIGHT : OTHER;
    case 17:
        return IS_NAMED(one, "requestParameters") ? PARAMETERS : OTHER;
    case 18:
        return IS_NAMED(one, "recipientAccountId") ? ACCOUNT : OTHER;
    default:
        return OTHER;
    }
}

typedef struct {
    const char *name;
    size_t length;
} Name;

/* An object of which two members are asked for: each a string or null, and none twice. */
static inline Place two_of(Text *text, Place p, const Name names[2], Span found[2])
{
    Member one;
    int more, known[2] = {0, 0};
    if (!is_at(p, text->end, '{'))
        return NULL;
    p++;
    for (int is_first = 1; (more = member(text, &p, is_first, &one)) > 0; is_first = 0) {
        int which = is_named(&one, names[0].name, names[0].length) ? 0
            : is_named(&one, names[1].name, names[1].length) ? 1 : -1;
        if (which >= 0 && known[which]++)
            return NULL;
        p = which < 0 ? value(text, one.value) : string_or_null(text, one.value, &found[which]);
        if (!p)
            return NULL;
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

static Place record(Walk *walk, Place p)
{
    static const Name who[2] = {{"type", 4}, {"arn", 3}}, asks[2] = {{"roleSessionName", 15}, {"roleArn", 7}};
    static const int needed[] = {ACCOUNT, REGION, SOURCE, NAME, ID};
    Text *text = &walk->text;
    Span texts[TEXTS] = {{0}}, caller[2] = {{0}}, asked[2] = {{0}};
    unsigned known = 0;
    Place start = p;
    Member one;
    int more;

    if (!is_at(p, text->end, '{'))
        return NULL;
    p++;
    for (int is_first = 1; (more = member(text, &p, is_first, &one)) > 0; is_first = 0) {
        int field = field_of(&one);
        if (field == INSIGHT || (field != OTHER && known & 1u << field))
            return NULL;
        known |= 1u << field;
        if (field == OTHER)
            p = value(text, one.value);
        else if (field < TEXTS)
            p = string_or_null(text, one.value, &texts[field]);
        else if (field == IDENTITY)
            p = two_of(text, one.value, who, caller);
        else if (is_at(one.value, text->end, 'n'))
            p = LITERAL(one.value, text->end, "null");
        else
            p = two_of(text, one.value, asks, asked);
        if (!p)
            return NULL;
    }
    for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
        if (!texts[needed[i]].length)
            return NULL;
    uint64_t time = moment(&texts[TIME]);
    if (more < 0 || !time || !texts[VERSION].at || !(known & 1u << IDENTITY))
        return NULL;

    int64_t kind = number_of(&walk->kinds, texts, KIND, walk->seed, walk->number, time);
    int64_t by = number_of(&walk->callers, caller, 2, walk->seed, walk->number, time);
    int64_t session = -1;
    if (asked[0].length && (session = number_of(&walk->asked, asked, 1, walk->seed, walk->number, time)) < 0)
        return NULL;
    if (kind < 0 || by < 0 || !has_room((void **)&walk->records, &walk->room, walk->count + 1, sizeof(Record)))
        return NULL;
    walk->records[walk->count++] = (Record){
        (uint32_t)(start - text->begin), (uint32_t)(p - text->begin),
        (uint32_t)kind, (uint32_t)by, (uint32_t)(session + 1),
    };
    return p;
}

/* Records with commas between them, from behind `[` to behind `]`. */
static Place list(Walk *walk, Place p)
{
    Place end = walk->text.end;
    p = blank(p, end);
    if (is_at(p, end, ']'))
        return p + 1;
    for (;;) {
        if (!(p = record(walk, p)))
            return NULL;
        p = blank(p, end);
        if (is_at(p, end, ']'))
            return p + 1;
        if (!is_at(p, end, ','))
            return NULL;
        p = blank(p + 1, end);
    }
}

/* A record a line. */
static Place lines(Walk *walk, Place p)
{
    Place end = walk->text.end;
    while (p < end) {
        Place start = p;
        if (!(p = record(walk, p)) || memchr(start, '\n', (size_t)(p - start)))
            return NULL;
        if (is_at(p, end, '\r'))
            p++;
        if (p < end && *p++ != '\n')
            return NULL;
    }
    return p;
}

/* `{"Records": […]}`, `[…]`, or lines, from the first byte to the last. */
static int is_plain(Walk *walk)
{
    Place p = walk->text.begin, end = walk->text.end, inside;
    int is_wrapped = 0;
    if (is_at(p, end, '{')) {
        inside = LITERAL(blank(p + 1, end), end, "\"Records\"");
        if (!inside)
            return lines(walk, p) == end;
        p = blank(inside, end);
        if (!is_at(p, end, ':'))
            return 0;
        p = blank(p + 1, end);
        is_wrapped = 1;
    }
    if (!is_at(p, end, '[') || !(p = list(walk, p + 1)))
        return 0;
    if (is_wrapped) {
        p = blank(p, end);
        if (!is_at(p, end, '}'))
            return 0;
        p++;
    }
    return blank(p, end) == end;
}

static Told tell(Table *table)
{
    Told told = {NULL, table->filled - table->told, table->seen, table->seen_count};
    if (told.fresh_length)
        told.fresh = table->bytes + table->told;
    table->told = table->filled;
    return told;
}

#if !defined(WALK_SOURCE)
#define WALK_SOURCE ""
#endif

/* Which sources this was compiled of, as `.build/walk.py` says it. */
PUBLIC const char *walk_source(void)
{
    return WALK_SOURCE;
}

/* NULL where there is no memory. */
PUBLIC Walk *walk_new(uint64_t seed)
{
    Walk *walk = calloc(1, sizeof(Walk));
    if (walk)
        walk->seed = seed;
    return walk;
}

/* Give back all memory but the walk itself; numbers begin anew. */
PUBLIC void walk_forget(Walk *walk)
{
    uint64_t seed = walk->seed;
    forget(&walk->kinds);
    forget(&walk->callers);
    forget(&walk->asked);
    free(walk->records);
    memset(walk, 0, sizeof(*walk));
    walk->seed = seed;
}

PUBLIC void walk_free(Walk *walk)
{
    walk_forget(walk);
    free(walk);
}

/* The number of records of a text, -1 where it is not plain. */
PUBLIC int64_t walk_text(Walk *walk, const unsigned char *text, uint64_t length, Found *found)
{
    if (length > INT32_MAX || walk->number == UINT32_MAX)
        return -1;
    walk->text = (Text){text, text + length, 0};
    walk->number++;
    walk->count = 0;
    walk->kinds.seen_count = walk->callers.seen_count = walk->asked.seen_count = 0;
    if (!is_plain(walk))
        return -1;
    *found = (Found){
        walk->records, walk->text.has_high, tell(&walk->kinds), tell(&walk->callers), tell(&walk->asked),
    };
    return (int64_t)walk->count;
}
