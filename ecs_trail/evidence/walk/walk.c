/* One walk over a text of CloudTrail records: where each stands, and which different values they hold.
 *
 * Nothing is judged here, and nothing decoded. A text is taken when it is plain: JSON in the shapes that trails are
 * written in, with fields of the types that CloudTrail gives them. Whatever is unusual is refused, and a slower road
 * reads the text: so this walk may know less than JSON, but never more. The caller is `walk/__init__.py`.
 */

#include "callers.h"
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

/* First and last time of the records of a home, as numbers YYYYMMDDhhmmss. */
typedef struct {
    uint64_t first, last;
} Times;

/* Homes are (account, Region, event source), kinds all that a record is judged by, callers (type, ARN) of userIdentity,
 * and asked the session that a call asks for. */
enum { HOMES, KINDS, CALLERS, ASKED, TABLES };

typedef struct {
    Table tables[TABLES];
    Times *times;           /* of the homes seen in this text */
    uint64_t times_room;
    Record *records;
    uint64_t count, room;
    uint64_t *told;         /* see Found */
    uint64_t told_room;
    uint64_t seed;
    Text text;
    uint32_t number;        /* of the text */
    Shapes shapes;
    Caller callers[CALLER_SLOTS];
} Walk;

_Static_assert(sizeof(void *) == sizeof(uint64_t), "the caller reads Found as numbers of 64 bits");

/* What a text holds. All that it points to is good until the next call for the same walk. */
typedef struct {
    const Record *records;
    uint64_t has_high;
    /* how many homes, kinds, callers and sessions were seen; of each home number, first and last time; the numbers of
     * the others, one table after the other */
    const uint64_t *seen;
    uint64_t seen_count;
    /* of each table the bytes of the values that the caller has not been told of */
    const unsigned char *fresh[TABLES];
    uint64_t fresh_length[TABLES];
} Found;

enum {
    /* texts of a record: the first three are its home, the first seven its kind */
    ACCOUNT, REGION, SOURCE, NAME, ERROR, TYPE, CATEGORY, VERSION, ID, TIME, TEXTS,
    IDENTITY = TEXTS, PARAMETERS, INSIGHT, OTHER,
    HOME = SOURCE + 1, KIND = CATEGORY + 1,
};

/* Which field of a record a name is. */
static inline int field_of(const Name *one)
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

/* The number of a value that is met in this text; -1 where it is too long or there is no memory. */
static int64_t met(Walk *walk, int which, const Span *fields, int count)
{
    Table *table = &walk->tables[which];
    int64_t number = number_of(table, fields, count, walk->seed);
    return number < 0 || see(table, (uint32_t)number, walk->number) < 0 ? -1 : number;
}

/* The same for a kind, whose home is looked up once, and sees a time with every record. */
static int64_t kind_of(Walk *walk, const Span *texts, uint64_t time)
{
    Table *kinds = &walk->tables[KINDS], *homes = &walk->tables[HOMES];
    uint64_t before = homes->seen_count;
    int64_t kind = met(walk, KINDS, texts, KIND);
    if (kind < 0)
        return -1;
    if (kinds->entries[kind].home == NO_HOME) {
        int64_t home = number_of(homes, texts, HOME, walk->seed);
        if (home < 0)
            return -1;
        kinds->entries[kind].home = (uint32_t)home;
    }
    int64_t place = see(homes, kinds->entries[kind].home, walk->number);
    if (place < 0 || !has_room(&walk->times, &walk->times_room, homes->seen_count, sizeof(Times)))
        return -1;
    Times *times = &walk->times[place];
    if (homes->seen_count != before)
        *times = (Times){time, time};
    if (time < times->first)
        times->first = time;
    if (time > times->last)
        times->last = time;
    return kind;
}

/* The value of `userIdentity`, and the number of its caller. */
static inline Place identity(Walk *walk, Place p, unsigned shape, int64_t *by)
{
    static const Asked who[2] = {{"type", 4}, {"arn", 3}};
    Text *text = &walk->text;
    const Caller *known = known_caller(walk->callers, p, text->end);
    if (known) {
        *by = known->number;
        return see(&walk->tables[CALLERS], known->number, walk->number) < 0 ? NULL : p + known->length;
    }
    Span caller[2] = {{0}};
    unsigned high = text->has_high;
    text->has_high = 0;
    Place after = two_of(text, p, shape, who, caller);
    if (!after || (*by = met(walk, CALLERS, caller, 2)) < 0)
        return NULL;
    if (!text->has_high)
        keep_caller(walk->callers, p, (size_t)(after - p), (uint32_t)*by);
    text->has_high |= high;
    return after;
}

static Place record(Walk *walk, Place p)
{
    static const Asked asks[2] = {{"roleSessionName", 15}, {"roleArn", 7}};
    static const int needed[] = {ACCOUNT, REGION, SOURCE, NAME, ID};
    Text *text = &walk->text;
    Span texts[TEXTS] = {{0}}, asked[2] = {{0}};
    unsigned known = 0;
    int64_t by = -1;
    Place start = p;
    uint16_t *link = inside(text, ROOT);
    Name one;
    int more;

    if (!is_at(p, text->end, '{'))
        return NULL;
    p++;
    for (int is_first = 1; (more = member(text, &p, is_first, link, &one)) > 0; is_first = 0) {
        Shape *mine = &text->shapes->all[one.shape];
        int field = mine->field;
        if (field == UNKNOWN) {
            field = field_of(&one);
            if (one.shape != NO_SHAPE)
                mine->field = (uint8_t)field;
        }
        if (field == INSIGHT || (field != OTHER && known & 1u << field))
            return NULL;
        known |= 1u << field;
        if (field == OTHER)
            p = value(text, one.value, one.shape);
        else if (field < TEXTS)
            p = string_or_null(text, one.value, &texts[field]);
        else if (field == IDENTITY)
            p = identity(walk, one.value, one.shape, &by);
        else if (is_at(one.value, text->end, 'n'))
            p = LITERAL(one.value, text->end, "null");
        else
            p = two_of(text, one.value, one.shape, asks, asked);
        if (!p)
            return NULL;
        link = behind(text, one.shape);
    }
    for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
        if (!texts[needed[i]].length)
            return NULL;
    uint64_t time = moment(&texts[TIME]);
    if (more < 0 || !time || !texts[VERSION].at || !(known & 1u << IDENTITY))
        return NULL;

    int64_t kind = kind_of(walk, texts, time);
    int64_t session = asked[0].length ? met(walk, ASKED, asked, 1) : -1;
    if (kind < 0 || by < 0 || (asked[0].length && session < 0))
        return NULL;
    if (!has_room(&walk->records, &walk->room, walk->count + 1, sizeof(Record)))
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

/* Where the C library can choose at load time, there is a second walk in the library, for processors with AVX2: it takes
 * a tenth less. A sanitizer cannot follow that choice. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define TWICE __attribute__((flatten, target_clones("avx2", "default")))
#else
#define TWICE
#endif

/* `{"Records": […]}`, `[…]`, or lines, from the first byte to the last. */
TWICE static int is_plain(Walk *walk)
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

/* Write down what was seen; 0 where there is no memory. */
static int tell(Walk *walk, Found *found)
{
    const Table *tables = walk->tables;
    uint64_t size = TABLES + 2 * tables[HOMES].seen_count, at = TABLES;
    for (int i = 0; i < TABLES; i++)
        size += tables[i].seen_count;
    if (!has_room(&walk->told, &walk->told_room, size, sizeof(*walk->told)))
        return 0;
    for (int i = 0; i < TABLES; i++) {
        walk->told[i] = tables[i].seen_count;
        for (uint64_t j = 0; j < tables[i].seen_count; j++) {
            walk->told[at++] = tables[i].seen[j];
            if (i == HOMES) {
                walk->told[at++] = walk->times[j].first;
                walk->told[at++] = walk->times[j].last;
            }
        }
    }
    *found = (Found){.records = walk->records, .has_high = walk->text.has_high, .seen = walk->told, .seen_count = at};
    for (int i = 0; i < TABLES; i++) {
        Table *table = &walk->tables[i];
        found->fresh_length[i] = table->filled - table->told;
        found->fresh[i] = found->fresh_length[i] ? table->bytes + table->told : NULL;
        table->told = table->filled;
    }
    return 1;
}

/* Raised with every change of what is handed over: a library that was compiled of other sources is not used. */
PUBLIC int walk_version(void)
{
    return 1;
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
    if (walk) {
        walk->seed = seed;
        forget_shapes(&walk->shapes);
    }
    return walk;
}

/* Give back all memory but the walk itself; numbers begin anew. */
PUBLIC void walk_forget(Walk *walk)
{
    uint64_t seed = walk->seed;
    for (int i = 0; i < TABLES; i++)
        forget(&walk->tables[i]);
    free(walk->times);
    free(walk->records);
    free(walk->told);
    memset(walk, 0, sizeof(*walk));
    walk->seed = seed;
    forget_shapes(&walk->shapes);
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
    if (walk->shapes.count == SHAPES)
        forget_shapes(&walk->shapes);
    walk->text = (Text){text, text + length, &walk->shapes, 0};
    walk->number++;
    walk->count = 0;
    for (int i = 0; i < TABLES; i++)
        walk->tables[i].seen_count = 0;
    return is_plain(walk) && tell(walk, found) ? (int64_t)walk->count : -1;
}
