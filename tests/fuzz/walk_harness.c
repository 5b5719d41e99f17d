/* Hostile texts for the compiled walk, in buffers that end where the text ends, under the sanitizers of the compiler.
 *
 *     cc -fsanitize=address,undefined -fno-sanitize-recover=all -I ecs_trail/evidence/walk walk_harness.c
 *     a.out SEED TEXTS FILE...          texts judged, texts and records taken in either way, requests for memory refused
 *     a.out hash WORD...                the hash of each word, for a seed of 0
 *
 * Every text goes through a walk that has seen many others, now and then with no memory left, and through a fresh one;
 * both must say the same. So it does in the walk of a scan and in that of records read whole.
 * What is taken must be JSON to a reader that shares no line with the walk. The same seed gives the same texts. Ends with 1 and prints the text where something does not hold. See test_walk.py.
 */

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

static uint64_t dice = 1;
static unsigned scarcity;           /* one of so many requests for memory is refused; 0: none */
static uint64_t refused_memory;

static uint64_t roll(uint64_t sides)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (dice >> 11) % sides;
}

static int is_scarce(void)
{
    if (!scarcity || roll(scarcity))
        return 0;
    refused_memory++;
    return 1;
}

static void *scarce_realloc(void *old, size_t size)
{
    return is_scarce() ? NULL : realloc(old, size);
}

static void *scarce_calloc(size_t count, size_t size)
{
    return is_scarce() ? NULL : calloc(count, size);
}

#define realloc scarce_realloc
#define calloc scarce_calloc
#include "walk.c"
#undef realloc
#undef calloc

typedef struct {
    unsigned char *bytes;
    size_t length;
} Bytes;

enum { LONGEST = 1 << 16, SMALL = 4096, GROWN = 256 };

static Bytes now;                   /* the text that is judged */

static void show(void)
{
    fprintf(stderr, "text of %zu bytes:\n", now.length);
    for (size_t i = 0; i < now.length; i++)
        fprintf(stderr, now.bytes[i] < 32 || now.bytes[i] > 126 ? "\\x%02x" : "%c", now.bytes[i]);
    fputc('\n', stderr);
}

static void fail(const char *format, ...)
{
    va_list given;
    va_start(given, format);
    vfprintf(stderr, format, given);
    va_end(given);
    fputc('\n', stderr);
    show();
    exit(1);
}
#define HOLDS(what) ((what) ? (void)0 : fail("line %d: %s", __LINE__, #what))

/* JSON as RFC 8259 has it, a letter at a time: behind the value, or NULL. */
static const char *json(const char *p, const char *end);

static const char *blanks(const char *p, const char *end)
{
    while (p < end && strchr(" \t\r\n", *p) && *p)
        p++;
    return p;
}

static const char *json_string(const char *p, const char *end)
{
    if (p == end || *p++ != '"')
        return NULL;
    for (; p < end && *p != '"'; p++) {
        if ((unsigned char)*p < 32)
            return NULL;
        if (*p != '\\')
            continue;
        if (++p == end || !*p || !strchr("\"\\/bfnrtu", *p))
            return NULL;
        for (int i = 0, count = *p == 'u' ? 4 : 0; i < count; i++)
            if (++p == end || !*p || !strchr("0123456789abcdefABCDEF", *p))
                return NULL;
    }
    return p < end ? p + 1 : NULL;
}

static const char *digits(const char *p, const char *end)
{
    const char *start = p;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p > start ? p : NULL;
}

static const char *json_number(const char *p, const char *end)
{
    if (p < end && *p == '-')
        p++;
    if (p < end && *p == '0')
        p++;
    else if (!(p = digits(p, end)))
        return NULL;
    if (p < end && *p == '.' && !(p = digits(p + 1, end)))
        return NULL;
    return p;
}

static const char *json_many(const char *p, const char *end, char closing)
{
    p = blanks(p + 1, end);
    if (p < end && *p == closing)
        return p + 1;
    for (;;) {
        p = blanks(p, end);
        if (closing == '}') {
            if (!(p = json_string(p, end)))
                return NULL;
            p = blanks(p, end);
            if (p == end || *p++ != ':')
                return NULL;
        }
        if (!(p = json(p, end)))
            return NULL;
        p = blanks(p, end);
        if (p == end || (*p != ',' && *p != closing))
            return NULL;
        if (*p++ == closing)
            return p;
    }
}

static const char *json(const char *p, const char *end)
{
    static const char *words[] = {"null", "true", "false"};
    p = blanks(p, end);
    if (p == end)
        return NULL;
    if (*p == '{' || *p == '[')
        return json_many(p, end, *p == '{' ? '}' : ']');
    if (*p == '"')
        return json_string(p, end);
    for (int i = 0; i < 3; i++)
        if ((size_t)(end - p) >= strlen(words[i]) && !memcmp(p, words[i], strlen(words[i])))
            return p + strlen(words[i]);
    return json_number(p, end);
}

/* One value, or lines of them. */
static int is_json(const char *p, const char *end)
{
    const char *after = json(p, end);
    if (after && blanks(after, end) == end)
        return 1;
    while (p < end) {
        const char *line = memchr(p, '\n', (size_t)(end - p));
        line = line ? line : end;
        if (!(after = json(p, line)) || blanks(after, line) != line)
            return 0;
        p = line < end ? line + 1 : end;
    }
    return 1;
}

/* All bytes of the tables that were told since they were last forgotten. */
typedef struct {
    Bytes tables[TABLES];
} Heard;

static void hear(Heard *heard, const Walk *walk, const Found *found)
{
    for (int i = 0; i < TABLES; i++) {
        Bytes *all = &heard->tables[i];
        const Table *table = &walk->tables[i];
        if (found->fresh_length[i]) {
            all->bytes = realloc(all->bytes, all->length + found->fresh_length[i]);
            memcpy(all->bytes + all->length, found->fresh[i], found->fresh_length[i]);
            all->length += found->fresh_length[i];
        }
        HOLDS(all->length == table->filled);
        HOLDS(!all->length || !memcmp(all->bytes, table->bytes, all->length));
    }
}

static int is_same(const Table *one, uint64_t number, const Table *other, uint64_t number_there)
{
    HOLDS(number < one->count && number_there < other->count);
    const Entry *here = &one->entries[number], *there = &other->entries[number_there];
    return here->length == there->length && !memcmp(one->bytes + here->at, other->bytes + there->at, here->length);
}

/* Both saw the same values in the same order, and the same times. */
static void compare(const Walk *walk, const Found *found, const Walk *fresh, const Found *found_fresh)
{
    const uint64_t *here = found->seen + TABLES, *there = found_fresh->seen + TABLES;
    HOLDS(found->seen_count == found_fresh->seen_count);
    for (int i = 0; i < TABLES; i++) {
        HOLDS(found->seen[i] == found_fresh->seen[i]);
        for (uint64_t j = 0; j < found->seen[i]; j++) {
            HOLDS(is_same(&walk->tables[i], *here++, &fresh->tables[i], *there++));
            if (i == HOMES) {
                HOLDS(here[0] == there[0] && here[1] == there[1] && here[0] <= here[1]);
                here += 2, there += 2;
            }
        }
    }
    HOLDS(here == found->seen + found->seen_count);
}

/* What a scan keeps of a record; where it ends. */
static uint64_t check_record(const Walk *used, const Record *here, const Walk *fresh, const Record *there)
{
    HOLDS(here->start == there->start && here->end == there->end && !here->asked == !there->asked);
    HOLDS(is_same(&used->tables[KINDS], here->kind, &fresh->tables[KINDS], there->kind));
    HOLDS(is_same(&used->tables[CALLERS], here->caller, &fresh->tables[CALLERS], there->caller));
    HOLDS(!here->asked
          || is_same(&used->tables[ASKED], here->asked - 1, &fresh->tables[ASKED], there->asked - 1));
    return here->end;
}

/* The same of a record read whole: its pieces are strings and values in it, and are what is gathered of them. */
static uint64_t check_row(const Walk *used, const Row *here, const Walk *fresh, const Row *there)
{
    uint64_t addresses[PIECES], start = here->pieces[RAW].start, end = start + here->pieces[RAW].length;
    int32_t bounds[PIECES + 1] = {0};
    const char *text = (const char *)now.bytes;
    HOLDS(here->time == there->time && here->marks == there->marks && !(here->marks >> (HAS_TLS + 1)));
    HOLDS(!memcmp(here->pieces, there->pieces, sizeof(here->pieces)));
    HOLDS(is_same(&used->tables[KINDS], here->kind, &fresh->tables[KINDS], there->kind));
    HOLDS(is_same(&used->tables[CALLERS], here->caller, &fresh->tables[CALLERS], there->caller));
    HOLDS(is_same(&used->tables[ASKED], here->origin, &fresh->tables[ASKED], there->origin));
    for (int i = 0; i < PIECES; i++) {
        uint64_t from = here->pieces[i].start, to = from + here->pieces[i].length;
        addresses[i] = (uint64_t)(uintptr_t)(now.bytes + from);
        bounds[i + 1] = bounds[i] + (int32_t)(to - from);
        if (from == to)
            HOLDS(i > P_ID && !(here->marks >> i & 1));
        else if (i >= P_PARAMETERS)
            HOLDS(from > start && to < end && json(text + from, text + to) == text + to);
        else if (i != RAW)
            HOLDS(from > start && to < end && json_string(text + from - 1, text + to + 1) == text + to + 1);
    }
    unsigned char *made = malloc((size_t)bounds[PIECES]);
    walk_gather(addresses, bounds, PIECES, made);
    for (int i = 0; i < PIECES; i++)
        HOLDS(!memcmp(made + bounds[i], text + here->pieces[i].start, here->pieces[i].length));
    free(made);
    return end;
}

static uint64_t judged, taken, taken_records;

static int64_t judge_one(Walk *used, Heard *heard)
{
    Found found, found_fresh;
    size_t length = now.length;
    uint64_t before = refused_memory;
    scarcity = roll(8) ? 0 : 1 + (unsigned)roll(12);
    int64_t count = walk_text(used, now.bytes, length, &found);
    int is_short = refused_memory > before;
    scarcity = 0;
    static Walk *ways[2]; /* one that has forgotten all is as good as a new one, which takes long to be made */
    Walk *fresh = ways[used->is_whole] = ways[used->is_whole] ? ways[used->is_whole] : walk_new(0, used->is_whole);
    walk_forget(fresh);
    fresh->seed = roll(UINT64_MAX);
    int64_t again = walk_text(fresh, now.bytes, length, &found_fresh);
    HOLDS(count == again || (count < 0 && is_short));
    uint64_t filled = 0;
    for (int i = 0; i < TABLES; i++)
        filled += fresh->tables[i].filled;
    HOLDS(filled <= 2 * length); /* a home is a part of a kind, and told twice */
    if (count >= 0) {
        uint64_t end = 0;
        HOLDS(is_json((const char *)now.bytes, (const char *)now.bytes + length));
        hear(heard, used, &found);
        compare(used, &found, fresh, &found_fresh);
        HOLDS(!found.has_high == !found_fresh.has_high);
        for (int64_t i = 0; i < count; i++) {
            uint64_t start = used->is_whole ? used->rows[i].pieces[RAW].start : used->records[i].start;
            HOLDS(start >= end && start < length);
            end = used->is_whole ? check_row(used, &used->rows[i], fresh, &fresh->rows[i])
                : check_record(used, &used->records[i], fresh, &fresh->records[i]);
            HOLDS(end > start && end <= length);
            const char *text = (const char *)now.bytes;
            HOLDS(text[start] == '{' && json(text + start, text + end) == text + end);
        }
        HOLDS(found.records == (used->is_whole ? (const void *)used->rows : used->records));
        for (size_t i = 0; i < length && !found.has_high; i++)
            HOLDS(now.bytes[i] < 128);
        taken++;
        taken_records += (uint64_t)count;
    }
    return again;
}

enum { WAYS = 2 };

static int judge(Walk *used[WAYS], Heard heard[WAYS], const unsigned char *bytes, size_t length)
{
    now.bytes = malloc(length); /* the byte behind it belongs to the sanitizer */
    now.length = length;
    memcpy(now.bytes, bytes, length);
    int64_t count = judge_one(used[0], &heard[0]), count_whole = judge_one(used[1], &heard[1]);
    HOLDS(count < 0 || count_whole < 0 || count_whole == count);
    judged++;
    free(now.bytes);
    now = (Bytes){NULL, 0};
    return count > 0 || count_whole > 0;
}

static void forget_all(Walk *used[WAYS], Heard heard[WAYS])
{
    for (int way = 0; way < WAYS; way++) {
        walk_forget(used[way]);
        for (int i = 0; i < TABLES; i++)
            free(heard[way].tables[i].bytes);
        memset(&heard[way], 0, sizeof(heard[way]));
    }
}

static const char *const tokens[] = {
    "\"", "\\", "{", "}", "[", "]", ",", ":", " ", "\n", "\r\n", "\t", "\x01", "\x1f", "\x7f", "\xff", "\xc3\xa9",
    "\xed\xa0\x80", "\\u0041", "\\u00e9", "\\ud800", "\\ud83d\\ude00", "\\u00", "\\n", "\\\"", "\\\\", "\\x", "null", "true",
    "false", "nul", "0", "-", "-0", "01", "1.5", "1.", "1e5", "123456789012345678", "1234567890123456789", "{}", "[]", "\"\"",
    "\"x\"", "\"a\":1,", "\"eventName\":\"x\",", "\"eventTime\":\"2026-02-29T24:00:00Z\",", "\"eventID\":\"\",",
    "\"insightDetails\":null,", "\"userIdentity\":{\"type\":null,\"arn\":\"x\",\"type\":\"y\"},", "\"userIdentity\":null,",
    "\"requestParameters\":{\"roleSessionName\":\"s\",\"roleArn\":null},",
    "\"responseElements\":{\"a\": \"credentials\"},", "\"resources\":\"{\",", "\"readOnly\":true,", "\"readOnly\":\"\",",
    "\"userAgent\":\"\\n\",", "\"requestID\":\"x\",", "\"tlsDetails\":{},", "credential", "SessionToken", "secretaccesskey", "ke",
    "\"requestParameters\":[],", "\"Records\":[",
    "{\"Records\":[]}", "]}", "2024-02-29T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "\xef\xbb\xbf",
};

static void insert(Bytes *text, size_t at, const unsigned char *bytes, size_t length)
{
    if (text->length + length > LONGEST)
        return;
    memmove(text->bytes + at + length, text->bytes + at, text->length - at);
    memcpy(text->bytes + at, bytes, length);
    text->length += length;
}

static void cut(Bytes *text, size_t at, size_t length)
{
    length = length < text->length - at ? length : text->length - at;
    memmove(text->bytes + at, text->bytes + at + length, text->length - at - length);
    text->length -= length;
}

/* One change; `other` is another text. */
static void change(Bytes *text, const Bytes *other)
{
    static unsigned char made[LONGEST];
    static const size_t lengths[] = {1, 15, 16, 17, 4094, 4095, 4096, 4097};
    static const size_t depths[] = {1, 44, 45, 46, 47, 48, 49, 50, 63, 64, 65, 3000};
    size_t at = roll(text->length + 1), length;
    switch (roll(10)) {
    case 0:
        if (at < text->length)
            text->bytes[at] ^= (unsigned char)(1u << roll(8));
        return;
    case 1:
        if (at < text->length)
            text->bytes[at] = (unsigned char)roll(256);
        return;
    case 2:
    case 3: {
        const char *token = tokens[roll(sizeof(tokens) / sizeof(*tokens))];
        if (!roll(3))
            cut(text, at, strlen(token));
        insert(text, at, (const unsigned char *)token, strlen(token));
        return;
    }
    case 4:
        cut(text, at, 1 + roll(40));
        return;
    case 5: { /* a member or a record twice */
        size_t from = roll(text->length + 1);
        length = roll(text->length - from + 1);
        memcpy(made, text->bytes + from, length);
        insert(text, at, made, length);
        return;
    }
    case 6: { /* of another text */
        size_t from = roll(other->length + 1);
        length = roll(other->length - from + 1);
        length = length < LONGEST ? length : LONGEST;
        if (!roll(2))
            text->length = at;
        insert(text, at, other->bytes + from, length);
        return;
    }
    case 7: /* a long string */
        length = roll(3) ? lengths[roll(sizeof(lengths) / sizeof(*lengths))] : roll(LONGEST / 2);
        memset(made, roll(3) ? 'a' : (int)roll(256), length);
        insert(text, at, made, length);
        return;
    case 8: { /* a deep value before another one */
        unsigned char *colon = at < text->length ? memchr(text->bytes + at, ':', text->length - at) : NULL;
        size_t depth = depths[roll(sizeof(depths) / sizeof(*depths))];
        int is_object = !roll(2);
        length = 0;
        for (size_t i = 0; i < depth; i++) {
            memcpy(made + length, is_object ? "{\"a\":" : "[", is_object ? 5 : 1);
            length += is_object ? 5 : 1;
        }
        made[length++] = '1';
        memset(made + length, is_object ? '}' : ']', depth);
        length += depth;
        memcpy(made + length, ",\"z\":", 5);
        if (colon)
            insert(text, (size_t)(colon + 1 - text->bytes), made, length + 5);
        return;
    }
    default: /* another digit, as in a time */
        for (; at < text->length; at++)
            if (text->bytes[at] >= '0' && text->bytes[at] <= '9') {
                text->bytes[at] = (unsigned char)('0' + roll(10));
                return;
            }
    }
}

int main(int count, char **words)
{
    if (count > 2 && !strcmp(words[1], "hash")) {
        for (int i = 2; i < count; i++)
            printf("%lld\n", (long long)hash_of((const unsigned char *)words[i], strlen(words[i]), 0));
        return 0;
    }
    Bytes *texts = calloc((size_t)count + GROWN, sizeof(*texts)), text = {malloc(LONGEST), 0};
    size_t files = 0, small = 0, grown = 0;
    Heard heard[WAYS];
    memset(heard, 0, sizeof(heard));
    Walk *used[WAYS] = {walk_new(1, 0), walk_new(1, 1)};
    if (count < 4 || !texts || !text.bytes || !used[0] || !used[1])
        return 2;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_set_death_callback(show);
#endif
    dice = 0x9e3779b97f4a7c15u ^ strtoull(words[1], NULL, 10);
    for (int i = 3; i < count; i++) {
        FILE *file = fopen(words[i], "rb");
        Bytes one = {malloc(LONGEST), 0};
        if (!file || !one.bytes)
            return 2;
        one.length = fread(one.bytes, 1, LONGEST, file);
        fclose(file);
        texts[files++] = one;
    }
    for (size_t i = 0; i < files; i++) /* the small ones first */
        if (texts[i].length <= SMALL) {
            Bytes one = texts[i];
            texts[i] = texts[small];
            texts[small++] = one;
        }
    for (size_t i = 0; i < files; i++) {
        for (size_t length = 0; length <= texts[i].length; length += texts[i].length > SMALL ? 1 + roll(997) : 1)
            judge(used, heard, texts[i].bytes, length);
        judge(used, heard, texts[i].bytes, texts[i].length);
        forget_all(used, heard);
    }
    uint64_t cuts = judged, wanted = strtoull(words[2], NULL, 10);
    while (judged - cuts < wanted) {
        size_t which = !small || !roll(16) ? roll(files) : roll(2) && grown ? files + roll(grown) : roll(small);
        text.length = texts[which].length;
        memcpy(text.bytes, texts[which].bytes, text.length);
        for (uint64_t changes = roll(5); changes; changes--)
            change(&text, &texts[roll(files)]);
        if (judge(used, heard, text.bytes, text.length) && text.length <= SMALL) { /* a start for more */
            size_t place = grown < GROWN ? grown++ : roll(GROWN);
            Bytes *kept = &texts[files + place];
            kept->bytes = realloc(kept->bytes, text.length);
            kept->length = text.length;
            memcpy(kept->bytes, text.bytes, text.length);
        }
        if (!roll(500))
            forget_all(used, heard);
    }
    forget_all(used, heard);
    walk_free(used[0]);
    walk_free(used[1]);
    for (size_t i = 0; i < files + grown; i++)
        free(texts[i].bytes);
    free(texts);
    free(text.bytes);
    printf("%llu %llu %llu %llu\n", (unsigned long long)judged, (unsigned long long)taken,
           (unsigned long long)taken_records, (unsigned long long)refused_memory);
    return 0;
}
