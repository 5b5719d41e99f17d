/* Callers by the whole text of their `userIdentity`: one session makes many calls, and its identity is written with each
 * of them, the same to the byte.
 *
 * Only texts that were read as plain and ASCII are kept, so that an equal one need not be read again. A text kept may be
 * displaced by another at any time.
 */

#ifndef ECS_TRAIL_CALLERS_H
#define ECS_TRAIL_CALLERS_H

#include <stdint.h>
#include <string.h>

enum {
    CALLER_SLOTS = 256,
    SHORTEST_CALLER = 128,  /* bytes; shorter ones are read as soon as compared */
    LONGEST_CALLER = 1016,
};

typedef struct {
    uint32_t length;        /* 0: none */
    uint32_t number;        /* of the caller */
    unsigned char text[LONGEST_CALLER];
} Caller;

/* Where a text of at least `SHORTEST_CALLER` bytes would stand: after principal, session and role. Who makes texts that
 * meet only makes them slower. */
static inline Caller *caller_at(Caller *callers, const unsigned char *p)
{
    uint64_t mixed = 0, word;
    for (int at = 40; at + 8 <= SHORTEST_CALLER; at += 16) {
        memcpy(&word, p + at, sizeof(word));
        mixed = (mixed ^ word) * 0x9e3779b97f4a7c15u;
        mixed ^= mixed >> 32;
    }
    return &callers[mixed % CALLER_SLOTS];
}

/* The caller whose text stands here; NULL where it is not known. */
static inline const Caller *known_caller(Caller *callers, const unsigned char *p, const unsigned char *end)
{
    if (end - p < SHORTEST_CALLER)
        return NULL;
    const Caller *one = caller_at(callers, p);
    return one->length && (size_t)(end - p) >= one->length && !memcmp(p, one->text, one->length) ? one : NULL;
}

static inline void keep_caller(Caller *callers, const unsigned char *p, size_t length, uint32_t number)
{
    if (length < SHORTEST_CALLER || length > LONGEST_CALLER)
        return;
    Caller *one = caller_at(callers, p);
    memcpy(one->text, p, length);
    one->length = (uint32_t)length;
    one->number = number;
}

#endif
