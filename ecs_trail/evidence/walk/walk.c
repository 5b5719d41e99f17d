/* One walk over a text of CloudTrail records: where each stands, and which different values they hold.
 *
 * Nothing is judged here, and nothing decoded. A text is taken when it is plain: JSON in the shapes that trails are
 * written in, with fields of the types that CloudTrail gives them. Whatever is unusual is refused, and a slower road
 * reads the text: so this walk may know less than JSON, but never more. The caller is `walk/__init__.py`.
 */

#include "callers.h"
#include "fields.h"
#include "json.h"
#include "parts.h"
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
 * and asked the session that a call asks for. Of records read whole, callers are userIdentity as it stands, and asked
 * where they came from (sourceIPAddress, userAgent). */
enum { HOMES, KINDS, CALLERS, ASKED, TABLES };

/* Pieces of a text that become columns of a record read whole, and bits of its marks: one for each piece that is not to
 * be taken as it stands, and one for tlsDetails that say something. */
enum {
    RAW, P_ID, P_REQUEST, P_SHARED, P_MESSAGE, P_SESSION, P_ROLE,
    P_PARAMETERS, P_RESPONSE, P_ADDITIONAL, P_DETAILS, P_RESOURCES, PIECES,
    HAS_TLS = PIECES,
};

typedef struct {
    uint32_t start, length;
} Piece;

typedef struct {
    int64_t time;           /* microseconds since 1970 */
    uint32_t kind, caller, origin, marks;
    Piece pieces[PIECES];
} Row;

typedef struct {
    Table tables[TABLES];
    Times *times;           /* of the homes seen in this text */
    uint64_t times_room;
    Record *records;        /* or, of those read whole, */
    Row *rows;
    uint64_t count, room;
    uint64_t *told;         /* see Found */
    uint64_t told_room;
    uint64_t seed;
    Text text;
    uint32_t number;        /* of the text */
    int is_whole;
    Shapes shapes;
    Caller callers[CALLER_SLOTS];
} Walk;

_Static_assert(sizeof(void *) == sizeof(uint64_t), "the caller reads Found as numbers of 64 bits");
_Static_assert(sizeof(Record) == 20 && sizeof(Row) == 120, "the caller reads them so");

/* What a text holds. All that it points to is good until the next call for the same walk. */
typedef struct {
    const void *records;
    uint64_t has_high;
    /* how many homes, kinds, callers and sessions were seen; of each home number, first and last time; the numbers of
     * the others, one table after the other */
    const uint64_t *seen;
    uint64_t seen_count;
    /* of each table the bytes of the values that the caller has not been told of */
    const unsigned char *fresh[TABLES];
    uint64_t fresh_length[TABLES];
} Found;

/* The number of a value that is met in this text; -1 where it is too long or there is no memory. */
static int64_t met(Walk *walk, int which, const Span *fields, int count)
{
    Table *table = &walk->tables[which];
    int64_t number = number_of(table, fields, count, walk->seed);
    return number < 0 || see(table, (uint32_t)number, walk->number) < 0 ? -1 : number;
}

/* The same for a kind, whose home is looked up once, and sees a time with every record. */
static int64_t kind_of(Walk *walk, const Span *fields, int count, uint64_t time)
{
    Table *kinds = &walk->tables[KINDS], *homes = &walk->tables[HOMES];
    uint64_t before = homes->seen_count;
    int64_t kind = met(walk, KINDS, fields, count);
    if (kind < 0)
        return -1;
    if (kinds->entries[kind].home == NO_HOME) {
        int64_t home = number_of(homes, fields, HOME, walk->seed);
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

/* Keep a record of a scan; 0 where there is no room. */
static int keep(Walk *walk, Record one, const Span *asked)
{
    int64_t session = asked->length ? met(walk, ASKED, asked, 1) : -1;
    if (asked->length && session < 0)
        return 0;
    if (!has_room(&walk->records, &walk->room, walk->count + 1, sizeof(Record)))
        return 0;
    one.asked = (uint32_t)(session + 1);
    walk->records[walk->count++] = one;
    return 1;
}

/* Keep a record read whole, with its pieces; 0 for one that is not plain, and where there is no room. */
static int keep_whole(Walk *walk, Row row, const Span *fields, const Span *asked)
{
    const Span *pieces[PIECES] = {
        NULL, &fields[ID], &fields[REQUEST], &fields[SHARED], &fields[MESSAGE], &asked[0], &asked[1],
        &fields[PARAMETERS], &fields[RESPONSE], &fields[ADDITIONAL], &fields[DETAILS], &fields[RESOURCES],
    };
    int64_t origin = met(walk, ASKED, &fields[ADDRESS], ORIGIN);
    if (origin < 0 || !has_room(&walk->rows, &walk->room, walk->count + 1, sizeof(Row)))
        return 0;
    row.origin = (uint32_t)origin;
    row.marks = (uint32_t)!is_nothing(&fields[TLS]) << HAS_TLS;
    for (int i = P_ID; i < PIECES; i++) {
        const Span *one = pieces[i];
        int is_free = i >= P_PARAMETERS, is_marked = one->is_escaped;
        if (is_free ? is_nothing(one) : !one->length)
            continue;
        if (is_free && is_wrapped_text(one))
            return 0;
        if (is_free)
            is_marked = is_loose(one) || (i == P_RESPONSE && may_hold_credentials(one));
        row.marks |= (uint32_t)!!is_marked << i;
        row.pieces[i] = (Piece){(uint32_t)(one->at - walk->text.begin), one->length};
    }
    walk->rows[walk->count++] = row;
    return 1;
}

/* The value of `userIdentity`, and the number of its caller: of the whole of it where records are read whole. */
static inline Place identity(Walk *walk, Place p, unsigned shape, const int is_whole, int64_t *by)
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
    if (!after)
        return NULL;
    if (is_whole)
        caller[0] = (Span){p, (uint32_t)(after - p), 0};
    if ((*by = met(walk, CALLERS, caller, is_whole ? 1 : 2)) < 0)
        return NULL;
    if (!text->has_high)
        keep_caller(walk->callers, p, (size_t)(after - p), (uint32_t)*by);
    text->has_high |= high;
    return after;
}

/* The value of any other field, whose bytes become its span but for a string's quotes. */
static inline Place field_value(Text *text, const Name *one, int field, const int is_whole, Span *found, Span asked[2])
{
    static const Asked asks[2] = {{"roleSessionName", 15}, {"roleArn", 7}};
    Place p = one->value;
    if (is_whole && (field == READ_ONLY || field == MANAGEMENT))
        return flag_or_null(p, text->end, found);
    if (field < IDENTITY)
        return string_or_null(text, p, found);
    if (is_whole && field != PARAMETERS)
        p = value(text, p, one->shape);
    else if (is_at(p, text->end, 'n'))
        p = LITERAL(p, text->end, "null");
    else
        p = two_of(text, p, one->shape, asks, asked);
    if (is_whole && p)
        *found = (Span){one->value, (uint32_t)(p - one->value), 0};
    return p;
}

static inline Place record(Walk *walk, Place p, const int is_whole)
{
    static const int needed[] = {ACCOUNT, REGION, SOURCE, NAME, ID};
    Text *text = &walk->text;
    Span fields[FIELDS], asked[2] = {{0}};
    unsigned known = 0;
    int64_t by = -1;
    Place start = p;
    uint16_t *link = inside(text, ROOT);
    Name one;
    int more;

    if (!is_at(p, text->end, '{'))
        return NULL;
    p++;
    memset(fields, 0, sizeof(*fields) * (is_whole ? FIELDS : IDENTITY));
    for (int is_first = 1; (more = member(text, &p, is_first, link, &one)) > 0; is_first = 0) {
        Shape *mine = &text->shapes->all[one.shape];
        int field = mine->field;
        if (field == UNKNOWN) {
            field = field_of(&one, is_whole);
            if (one.shape != NO_SHAPE)
                mine->field = (uint8_t)field;
        }
        if (field == INSIGHT || (field != OTHER && known & 1u << field))
            return NULL;
        known |= 1u << field;
        if (field == OTHER)
            p = value(text, one.value, one.shape);
        else if (field == IDENTITY)
            p = identity(walk, one.value, one.shape, is_whole, &by);
        else
            p = field_value(text, &one, field, is_whole, &fields[field], asked);
        if (!p)
            return NULL;
        link = behind(text, one.shape);
    }
    for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
        if (!fields[needed[i]].length)
            return NULL;
    uint64_t time = moment(&fields[TIME]);
    if (more < 0 || !time || !fields[VERSION].at || by < 0)
        return NULL;
    int64_t kind = kind_of(walk, fields, is_whole ? WHOLE_KIND : KIND, time);
    if (kind < 0)
        return NULL;
    if (!is_whole) {
        Record kept = {(uint32_t)(start - text->begin), (uint32_t)(p - text->begin), (uint32_t)kind, (uint32_t)by, 0};
        return keep(walk, kept, asked) ? p : NULL;
    }
    Row row = {
        .time = since_1970(time), .kind = (uint32_t)kind, .caller = (uint32_t)by,
        .pieces = {{(uint32_t)(start - text->begin), (uint32_t)(p - start)}},
    };
    return keep_whole(walk, row, fields, asked) ? p : NULL;
}

/* Records with commas between them, from behind `[` to behind `]`. */
static inline Place list(Walk *walk, Place p, const int is_whole)
{
    Place end = walk->text.end;
    p = blank(p, end);
    if (is_at(p, end, ']'))
        return p + 1;
    for (;;) {
        if (!(p = record(walk, p, is_whole)))
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
static inline Place lines(Walk *walk, Place p, const int is_whole)
{
    Place end = walk->text.end;
    while (p < end) {
        Place start = p;
        if (!(p = record(walk, p, is_whole)) || memchr(start, '\n', (size_t)(p - start)))
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
#if defined(TWICE) /* tests compile many, and one each will do */
#elif defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define TWICE __attribute__((flatten, target_clones("avx2", "default")))
#else
#define TWICE
#endif

/* `{"Records": […]}`, `[…]`, or lines, from the first byte to the last. */
static inline int is_plain(Walk *walk, const int is_whole)
{
    Place p = walk->text.begin, end = walk->text.end, inside;
    int is_wrapped = 0;
    if (is_at(p, end, '{')) {
        inside = LITERAL(blank(p + 1, end), end, "\"Records\"");
        if (!inside)
            return lines(walk, p, is_whole) == end;
        p = blank(inside, end);
        if (!is_at(p, end, ':'))
            return 0;
        p = blank(p + 1, end);
        is_wrapped = 1;
    }
    if (!is_at(p, end, '[') || !(p = list(walk, p + 1, is_whole)))
        return 0;
    if (is_wrapped) {
        p = blank(p, end);
        if (!is_at(p, end, '}'))
            return 0;
        p++;
    }
    return blank(p, end) == end;
}

TWICE static int is_plain_scan(Walk *walk)
{
    return is_plain(walk, 0);
}

TWICE static int is_plain_whole(Walk *walk)
{
    return is_plain(walk, 1);
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
    const void *records = walk->is_whole ? (const void *)walk->rows : walk->records;
    *found = (Found){.records = records, .has_high = walk->text.has_high, .seen = walk->told, .seen_count = at};
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
    return 2;
}

#if !defined(WALK_SOURCE)
#define WALK_SOURCE ""
#endif

/* Which sources this was compiled of, as `.build/walk.py` says it. */
PUBLIC const char *walk_source(void)
{
    return WALK_SOURCE;
}

/* A walk for scans, or for records read whole; NULL where there is no memory. */
PUBLIC Walk *walk_new(uint64_t seed, int is_whole)
{
    Walk *walk = calloc(1, sizeof(Walk));
    if (walk) {
        walk->seed = seed;
        walk->is_whole = is_whole;
        forget_shapes(&walk->shapes);
    }
    return walk;
}

/* Give back all memory but the walk itself; numbers begin anew. */
PUBLIC void walk_forget(Walk *walk)
{
    uint64_t seed = walk->seed;
    int is_whole = walk->is_whole;
    for (int i = 0; i < TABLES; i++)
        forget(&walk->tables[i]);
    free(walk->times);
    free(walk->records);
    free(walk->rows);
    free(walk->told);
    memset(walk, 0, sizeof(*walk));
    walk->seed = seed;
    walk->is_whole = is_whole;
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
    return (walk->is_whole ? is_plain_whole : is_plain_scan)(walk) && tell(walk, found) ? (int64_t)walk->count : -1;
}

/* Pieces of texts, one behind the other: `bounds` are where each begins, and the end. */
PUBLIC void walk_gather(const uint64_t *addresses, const int32_t *bounds, uint64_t count, unsigned char *into)
{
    for (uint64_t i = 0; i < count; i++)
        if (bounds[i] < bounds[i + 1])
            memcpy(into + bounds[i], (const void *)(uintptr_t)addresses[i], (size_t)(bounds[i + 1] - bounds[i]));
}
