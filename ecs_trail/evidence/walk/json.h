/* The grammar of JSON, as far as plain CloudTrail needs it (RFC 8259, read on 2026-11-28).
 *
 * A place is where to go on; NULL says that the text is not plain there. What is refused although it is JSON: halves of
 * surrogate pairs, long numbers and exponents, and very deep values. Nothing is read at `end` or behind it.
 */

#ifndef ECS_TRAIL_JSON_H
#define ECS_TRAIL_JSON_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

typedef const unsigned char *Place;

typedef struct {
    Place begin, end;
    unsigned has_high;      /* not 0 once a byte of 0x80 and above was met: whether it is UTF-8 is asked elsewhere */
} Text;

/* A string of the text without its quotes, or another value as it stands; `at` is NULL for null, and for what is not
 * there. */
typedef struct {
    Place at;
    uint32_t length;
    int is_escaped;         /* a string with escapes in it */
} Span;

enum {
    DEEPEST = 48,           /* levels of a value; CloudTrail has about ten */
    LONGEST_NUMBER = 18,    /* characters of a number */
};

static inline Place blank(Place p, Place end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

static inline int is_at(Place p, Place end, unsigned char c)
{
    return p < end && *p == c;
}

static inline int is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static inline int is_hex(unsigned char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* A word as it stands. */
static inline Place literal(Place p, Place end, const char *word, size_t length)
{
    return (size_t)(end - p) >= length && !memcmp(p, word, length) ? p + length : NULL;
}
#define LITERAL(p, end, word) literal(p, end, word, sizeof(word) - 1)

/* From a backslash to behind its escape. */
static inline Place escape(Place p, Place end)
{
    if (end - p < 2)
        return NULL;
    switch (p[1]) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        return p + 2;
    case 'u':
        if (end - p < 6 || !is_hex(p[2]) || !is_hex(p[3]) || !is_hex(p[4]) || !is_hex(p[5]))
            return NULL;
        if ((p[2] == 'd' || p[2] == 'D') && p[3] >= '8') /* U+D800 to U+DFFF */
            return NULL;
        return p + 6;
    default:
        return NULL;
    }
}

/* From the opening quote to behind the closing one. */
static inline Place string(Text *text, Place p, int *is_escaped)
{
    Place end = text->end;
    if (!is_at(p, end, '"'))
        return NULL;
    p++;
    for (;;) {
        unsigned found = 0;
#if defined(__SSE2__)
        const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
        while (end - p >= 16) {
            __m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
            __m128i special = _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, slash));
            special = _mm_or_si128(special, _mm_cmpeq_epi8(_mm_max_epu8(block, control), control));
            found = (unsigned)_mm_movemask_epi8(special);
            text->has_high |= (unsigned)_mm_movemask_epi8(block);
            if (found) {
                p += __builtin_ctz(found);
                break;
            }
            p += 16;
        }
#endif
        if (!found) {
            while (p < end && *p != '"' && *p != '\\' && *p > 0x1f)
                text->has_high |= *p++ & 0x80u;
            if (p >= end)
                return NULL;
        }
        if (*p == '"')
            return p + 1;
        if (*p != '\\' || !(p = escape(p, end)))
            return NULL;
        *is_escaped = 1;
    }
}

/* A string or null. */
static inline Place string_or_null(Text *text, Place p, Span *found)
{
    int is_escaped = 0;
    if (is_at(p, text->end, 'n')) {
        *found = (Span){NULL, 0, 0};
        return LITERAL(p, text->end, "null");
    }
    Place after = string(text, p, &is_escaped);
    if (!after || after - p > INT32_MAX)
        return NULL;
    *found = (Span){p + 1, (uint32_t)(after - p - 2), is_escaped};
    return after;
}

/* true, false or null. */
static inline Place flag_or_null(Place p, Place end, Span *found)
{
    Place after = is_at(p, end, 'n') ? LITERAL(p, end, "null")
        : is_at(p, end, 't') ? LITERAL(p, end, "true") : LITERAL(p, end, "false");
    *found = (Span){0};
    if (after && *p != 'n')
        *found = (Span){p, (uint32_t)(after - p), 0};
    return after;
}

/* A short number without an exponent. */
static inline Place number(Place p, Place end)
{
    Place start = p;
    if (is_at(p, end, '-'))
        p++;
    if (p >= end || !is_digit(*p))
        return NULL;
    if (*p == '0')
        p++;
    else
        while (p < end && is_digit(*p))
            p++;
    if (is_at(p, end, '.')) {
        p++;
        if (p >= end || !is_digit(*p))
            return NULL;
        while (p < end && is_digit(*p))
            p++;
    }
    if (p - start > LONGEST_NUMBER || is_at(p, end, 'e') || is_at(p, end, 'E'))
        return NULL;
    return p;
}

/* Any value. */
static Place value(Text *text, Place p)
{
    Place end = text->end;
    uint64_t objects = 0; /* a bit a level: whether it is an object */
    int depth = 0, is_escaped = 0;

at_value:
    if (p >= end)
        return NULL;
    switch (*p) {
    case '"':
        p = string(text, p, &is_escaped);
        break;
    case '{':
    case '[':
        if (++depth > DEEPEST)
            return NULL;
        objects = objects << 1 | (*p == '{');
        p = blank(p + 1, end);
        if (is_at(p, end, objects & 1 ? '}' : ']'))
            break; /* it is empty, and closed below */
        if (objects & 1)
            goto at_name;
        goto at_value;
    case 't':
        p = LITERAL(p, end, "true");
        break;
    case 'f':
        p = LITERAL(p, end, "false");
        break;
    case 'n':
        p = LITERAL(p, end, "null");
        break;
    default:
        p = number(p, end);
    }
    if (!p)
        return NULL;

behind_value:
    if (!depth)
        return p;
    p = blank(p, end);
    if (is_at(p, end, objects & 1 ? '}' : ']')) {
        p++;
        depth--;
        objects >>= 1;
        goto behind_value;
    }
    if (!is_at(p, end, ','))
        return NULL;
    p = blank(p + 1, end);
    if (!(objects & 1))
        goto at_value;

at_name:
    if (!(p = string(text, p, &is_escaped)))
        return NULL;
    p = blank(p, end);
    if (!is_at(p, end, ':'))
        return NULL;
    p = blank(p + 1, end);
    goto at_value;
}

/* A member of an object: its name, and where its value begins. */
typedef struct {
    Place name;
    size_t length;
    Place value;
} Member;

/* From behind `{` or a value to the next member: 1; 0 at the end of the object; -1 where it is not plain, as with a
 * name that is escaped. */
static inline int member(Text *text, Place *at, int is_first, Member *found)
{
    Place end = text->end, p = blank(*at, end);
    int is_escaped = 0;
    if (is_at(p, end, '}')) {
        *at = p + 1;
        return 0;
    }
    if (!is_first) {
        if (!is_at(p, end, ','))
            return -1;
        p = blank(p + 1, end);
    }
    Place after = string(text, p, &is_escaped);
    if (!after || is_escaped)
        return -1;
    found->name = p + 1;
    found->length = (size_t)(after - p - 2);
    p = blank(after, end);
    if (!is_at(p, end, ':'))
        return -1;
    found->value = blank(p + 1, end);
    return 1;
}

static inline int is_named(const Member *found, const char *name, size_t length)
{
    return found->length == length && !memcmp(found->name, name, length);
}
#define IS_NAMED(found, name) is_named(found, name, sizeof(name) - 1)

#endif
