/* Names that were met before, by the place where they stand: behind which name, or as the first of which value.
 *
 * Records name their members in the same order again and again, so the next name is compared with those that stood there
 * before, all at once, instead of being read letter by letter. Only what was read as a plain name (without an escape,
 * ASCII, its colon right behind it) is remembered, so that an equal text is one as well. What is remembered changes how
 * long a text takes and nothing else.
 */

#ifndef ECS_TRAIL_SHAPES_H
#define ECS_TRAIL_SHAPES_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
    SHAPES = 1024,          /* names in all; when they are many, all are forgotten */
    SHAPE_ROOM = 32,        /* bytes of `"name":`, a longer one is not remembered */
    RIVALS = 8,             /* names for one place */
    NO_SHAPE = 0,           /* stands for names that are not remembered */
    ROOT = 1,               /* what the names of a record stand in */
    UNKNOWN = 0xff,
};

typedef struct {
    unsigned char text[SHAPE_ROOM]; /* `"name":` */
    uint32_t bytes;         /* a bit for each of them */
    uint16_t first;         /* the first name met in its value, when that is an object; others are its rivals */
    uint16_t next;          /* the first name met behind it */
    uint16_t rival;         /* another name met in its place */
    uint8_t length;
    uint8_t field;          /* what the name means to the walk there, UNKNOWN until that was looked up */
} Shape;

typedef struct {
    Shape all[SHAPES];
    unsigned count;
} Shapes;

static void forget_shapes(Shapes *shapes)
{
    memset(shapes, 0, sizeof(*shapes));
    shapes->all[NO_SHAPE].field = shapes->all[ROOT].field = UNKNOWN;
    shapes->count = ROOT + 1;
}

/* Whether a text of `left` bytes begins with the name. */
static inline int is_shaped(const Shape *shape, const unsigned char *p, size_t left)
{
#if defined(__SSE2__)
    if (left >= SHAPE_ROOM) {
        const __m128i *known = (const __m128i *)(const void *)shape->text, *met = (const __m128i *)(const void *)p;
        unsigned low = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(known), _mm_loadu_si128(met)));
        unsigned high = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(known + 1), _mm_loadu_si128(met + 1)));
        return !(shape->bytes & ~(low | high << 16));
    }
#endif
    return left >= shape->length && !memcmp(p, shape->text, shape->length);
}

/* The shape that stands at a place; NO_SHAPE where there is none. `link` is where the names of a place begin. */
static inline unsigned shape_at(const Shapes *shapes, uint16_t link, const unsigned char *p, size_t left)
{
    unsigned found = link;
    while (found != NO_SHAPE && !is_shaped(&shapes->all[found], p, left))
        found = shapes->all[found].rival;
    return found;
}

/* Remember the name from `p` to behind its colon, at a place of its own; NO_SHAPE where there is no room. */
static unsigned remember(Shapes *shapes, uint16_t *link, const unsigned char *p, size_t length)
{
    int rivals = 0;
    while (*link != NO_SHAPE) {
        if (++rivals == RIVALS)
            return NO_SHAPE;
        link = &shapes->all[*link].rival;
    }
    if (length > SHAPE_ROOM || shapes->count == SHAPES)
        return NO_SHAPE;
    Shape *fresh = &shapes->all[shapes->count];
    memcpy(fresh->text, p, length);
    fresh->bytes = length == SHAPE_ROOM ? UINT32_MAX : (1u << length) - 1;
    fresh->length = (uint8_t)length;
    fresh->field = UNKNOWN;
    *link = (uint16_t)shapes->count;
    return shapes->count++;
}

#endif
