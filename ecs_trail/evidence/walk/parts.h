/* The free-form parts of a record, as far as `evidence/parts.py` changes them: what is said here of a part decides only
 * whether it is looked at there. */

#ifndef ECS_TRAIL_PARTS_H
#define ECS_TRAIL_PARTS_H

#include "json.h"

/* Spellings of no value. */
static inline int is_nothing(const Span *part)
{
    return !part->length || (part->length == 4 && !memcmp(part->at, "null", 4))
        || (part->length == 2 && !memcmp(part->at, "\"\"", 2));
}

/* JSON inside of a string. */
static inline int is_wrapped_text(const Span *part)
{
    return part->length > 1 && part->at[0] == '"' && (part->at[1] == '{' || part->at[1] == '[');
}

/* A value of JSON with a space or a line's end in it that is not written as tight as can be. */
static int is_loose(const Span *part)
{
    Place p = part->at, end = p + part->length;
    if (!memchr(p, ' ', part->length) && !memchr(p, '\n', part->length))
        return 0;
    for (int is_inside = 0; p < end; p++) {
        if (*p == '"')
            is_inside = !is_inside;
        else if (!is_inside && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
            return 1;
        else if (*p == '\\')
            p++;
    }
    return 0;
}

static inline unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Whether a word, in whatever case, stands around a place: its letter number `from` there. */
static int stands(Place p, Place begin, Place end, const char *word, size_t length, size_t from)
{
    if ((size_t)(p - begin) < from || (size_t)(end - p) < length - from)
        return 0;
    for (size_t i = 0; i < length; i++)
        if (lower(p[i - from]) != (unsigned char)word[i])
            return 0;
    return 1;
}
#define STANDS(p, begin, end, word, from) stands(p, begin, end, word, sizeof(word) - 1, from)

static inline int is_credential_at(Place p, Place begin, Place end)
{
    return (p[0] == '\\' && p[1] == 'u') || STANDS(p, begin, end, "credentials", 0)
        || STANDS(p, begin, end, "secretaccesskey", 12) || STANDS(p, begin, end, "sessiontoken", 9);
}

/* Whether the key of a credential may be in a part: its letters, or an escape that may spell one. All of them have one
 * of three pairs of letters, which are looked for first. */
static int may_hold_credentials(const Span *part)
{
    Place begin = part->at, end = begin + part->length, p = begin;
#if defined(__SSE2__)
    const __m128i small = _mm_set1_epi8(0x20);
    const __m128i c = _mm_set1_epi8('c'), r = _mm_set1_epi8('r'), k = _mm_set1_epi8('k'), e = _mm_set1_epi8('e');
    const __m128i slash = _mm_set1_epi8('\\'), u = _mm_set1_epi8('u');
    for (; end - p > 16; p += 16) {
        __m128i first = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i second = _mm_or_si128(_mm_loadu_si128((const __m128i *)(const void *)(p + 1)), small);
        __m128i found = _mm_and_si128(_mm_cmpeq_epi8(first, slash), _mm_cmpeq_epi8(second, u));
        first = _mm_or_si128(first, small);
        found = _mm_or_si128(found, _mm_and_si128(_mm_cmpeq_epi8(first, c), _mm_cmpeq_epi8(second, r)));
        found = _mm_or_si128(found, _mm_and_si128(_mm_cmpeq_epi8(first, k), _mm_cmpeq_epi8(second, e)));
        for (unsigned places = (unsigned)_mm_movemask_epi8(found); places; places &= places - 1)
            if (is_credential_at(p + __builtin_ctz(places), begin, end))
                return 1;
    }
#endif
    for (; end - p > 1; p++)
        if (is_credential_at(p, begin, end))
            return 1;
    return 0;
}

#endif
