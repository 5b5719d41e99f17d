/* The grammar of JSON, as far as plain CloudTrail needs it (RFC 8259, read on 2026-11-28).
 *
 * A place is where to go on; NULL says that the text is not plain there. What is refused although it is JSON: halves of
 * surrogate pairs, long numbers and exponents, and very deep values. Nothing is read at `end` or behind it.
 */

#ifndef ECS_TRAIL_JSON_H
#define ECS_TRAIL_JSON_H

#include <stdint.h>
#include <string.h>

#include "shapes.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* What is not to be copied to wherever it is called. */
#if defined(__GNUC__)
#define SELDOM __attribute__((noinline, cold))
#else
#define SELDOM
#endif

typedef const unsigned char *Place;

typedef struct {
    Place begin, end;
    Shapes *shapes;
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

/* A name of an object without its quotes, and where its value begins; `shape` is NO_SHAPE where it is not remembered. */
typedef struct {
    Place at, value;
    size_t length;
    unsigned shape;
    int is_escaped;
} Name;

/* From the opening quote of a name that was not met here before to its value; NULL where it is not plain. */
static SELDOM Place fresh_name(Text *text, Place p, uint16_t *link, Name *found)
{
    Place end = text->end;
    unsigned high = text->has_high;
    text->has_high = 0;
    found->is_escaped = 0;
    Place after = string(text, p, &found->is_escaped), colon = after ? blank(after, end) : NULL;
    if (!after || !is_at(colon, end, ':'))
        return NULL;
    found->at = p + 1;
    found->length = (size_t)(after - p - 2);
    found->shape = link && after == colon && !text->has_high && !found->is_escaped
        ? remember(text->shapes, link, p, (size_t)(after + 1 - p)) : NO_SHAPE;
    text->has_high |= high;
    return found->value = blank(colon + 1, end);
}

/* From the opening quote of a name to its value; NULL where it is not plain. `link` is where the names of this place
 * begin, NULL where none are remembered. */
static inline Place name(Text *text, Place p, uint16_t *link, Name *found)
{
    if (!link || (found->shape = shape_at(text->shapes, *link, p, (size_t)(text->end - p))) == NO_SHAPE)
        return fresh_name(text, p, link, found);
    const Shape *shape = &text->shapes->all[found->shape];
    found->is_escaped = 0;
    found->at = p + 1;
    found->length = shape->length - 3u;
    return found->value = blank(p + shape->length, text->end);
}

/* Where the names behind a name begin, and those in its value. */
static inline uint16_t *behind(Text *text, unsigned shape)
{
    return shape == NO_SHAPE ? NULL : &text->shapes->all[shape].next;
}

static inline uint16_t *inside(Text *text, unsigned shape)
{
    return shape == NO_SHAPE ? NULL : &text->shapes->all[shape].first;
}

/* Any value, of a name with this shape. */
static Place value(Text *text, Place p, unsigned shape)
{
    Place end = text->end;
    uint64_t objects = 0; /* a bit a level: whether it is an object */
    uint16_t above[DEEPEST]; /* the shape of what each level is the value of */
    int depth = 0, is_escaped = 0;
    uint16_t *link;
    Name found;

at_value:
    if (p >= end)
        return NULL;
    switch (*p) {
    case '"':
        p = string(text, p, &is_escaped);
        break;
    case '{':
    case '[':
        if (depth == DEEPEST)
            return NULL;
        above[depth++] = (uint16_t)shape;
        objects = objects << 1 | (*p == '{');
        p = blank(p + 1, end);
        if (is_at(p, end, objects & 1 ? '}' : ']'))
            break; /* it is empty, and closed below */
        if (!(objects & 1))
            goto at_value;
        link = inside(text, shape);
        goto at_name;
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
        shape = above[--depth];
        objects >>= 1;
        goto behind_value;
    }
    if (!is_at(p, end, ','))
        return NULL;
    p = blank(p + 1, end);
    if (!(objects & 1))
        goto at_value;
    link = behind(text, shape);

at_name:
    if (!(p = name(text, p, link, &found)))
        return NULL;
    shape = found.shape;
    goto at_value;
}

/* From behind `{` or a value to the value of the next member: 1; 0 at the end of the object; -1 where it is not plain,
 * as with a name that is escaped. */
static inline int member(Text *text, Place *at, int is_first, uint16_t *link, Name *found)
{
    Place end = text->end, p = blank(*at, end);
    if (is_at(p, end, '}')) {
        *at = p + 1;
        return 0;
    }
    if (!is_first) {
        if (!is_at(p, end, ','))
            return -1;
        p = blank(p + 1, end);
    }
    return name(text, p, link, found) && !found->is_escaped ? 1 : -1;
}

static inline int is_named(const Name *found, const char *name, size_t length)
{
    return found->length == length && !memcmp(found->at, name, length);
}
#define IS_NAMED(found, name) is_named(found, name, sizeof(name) - 1)

#endif
