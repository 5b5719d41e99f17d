/* Values that many records share, numbered by their bytes.
 *
 * A value is one or several strings. Its number stays from text to text, until the table is forgotten; its bytes are
 * kept once. The seed keeps others from choosing values that all fall into one slot.
 */

#ifndef ECS_TRAIL_TABLES_H
#define ECS_TRAIL_TABLES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

enum {
    MOST_FIELDS = 10,
    LONGEST_FIELD = 4096,   /* bytes; a longer one is not plain */
    RECENT = 64,
};
#define NO_HOME UINT32_MAX

typedef struct {
    uint64_t hash;
    uint64_t at;            /* where its bytes begin */
    uint32_t length;
    uint32_t home;          /* of a kind the number of its home, see walk.c; NO_HOME until it is known */
    uint32_t text;          /* the text that it was last seen in */
    uint32_t place;         /* its place among those seen there */
} Entry;

typedef struct {
    Entry *entries;         /* by number */
    uint64_t entry_room;
    uint32_t *slots;        /* 0, or one more than a number */
    uint64_t slot_count;
    unsigned char *bytes;   /* of each field its length plus one in four bytes (0 for null), and then itself */
    uint64_t filled, byte_room;
    uint64_t told;          /* how many of these bytes the caller has been told of */
    uint32_t *seen;         /* the numbers of the values in this text, in order of appearance */
    uint64_t seen_count, seen_room;
    uint32_t count;
    uint32_t recent[RECENT]; /* values met lately, each 0 or one more than its number */
} Table;

/* Room for `need` things, where `things` is the address of the pointer to them; 0 where there is no memory. */
static int has_room(void *things, uint64_t *room, uint64_t need, size_t size)
{
    if (need <= *room)
        return 1;
    uint64_t more = *room ? *room : 64;
    while (more < need)
        more *= 2;
    if (more > SIZE_MAX / size)
        return 0;
    void *larger; /* copied: through a `void **` a compiler need not see that a pointer of another type changes */
    memcpy(&larger, things, sizeof(larger));
    if (!(larger = realloc(larger, (size_t)more * size)))
        return 0;
    memcpy(things, &larger, sizeof(larger));
    *room = more;
    return 1;
}

/* Twice the slots where half of them are taken; 0 where there is no memory. */
static int has_slots(Table *table)
{
    if (table->count * 2ull < table->slot_count)
        return 1;
    uint64_t slot_count = table->slot_count ? table->slot_count * 2 : 512;
    uint32_t *slots = calloc((size_t)slot_count, sizeof(*slots));
    if (!slots)
        return 0;
    for (uint32_t number = 0; number < table->count; number++) {
        uint64_t slot = table->entries[number].hash & (slot_count - 1);
        while (slots[slot])
            slot = (slot + 1) & (slot_count - 1);
        slots[slot] = number + 1;
    }
    free(table->slots);
    table->slots = slots;
    table->slot_count = slot_count;
    return 1;
}

static inline uint64_t turned(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void round_of(uint64_t v[4])
{
    v[0] += v[1], v[2] += v[3];
    v[1] = turned(v[1], 13) ^ v[0], v[3] = turned(v[3], 16) ^ v[2];
    v[0] = turned(v[0], 32);
    v[2] += v[1], v[0] += v[3];
    v[1] = turned(v[1], 17) ^ v[2], v[3] = turned(v[3], 21) ^ v[0];
    v[2] = turned(v[2], 32);
}

/* SipHash-1-3 (J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", 2012), as Python hashes its strings.
 * Of a simpler mixture somebody who does not know the seed may still know which strings meet, whatever it is. */
static uint64_t hash_of(const unsigned char *bytes, size_t length, uint64_t seed)
{
    uint64_t v[4] = {
        seed ^ 0x736f6d6570736575u, seed ^ 0x646f72616e646f6du, seed ^ 0x6c7967656e657261u, seed ^ 0x7465646279746573u,
    };
    uint64_t last = (uint64_t)length << 56, word;
    for (; length >= 8; bytes += 8, length -= 8) {
        memcpy(&word, bytes, 8);
        v[3] ^= word;
        round_of(v);
        v[0] ^= word;
    }
    word = 0;
    memcpy(&word, bytes, length);
    last ^= word;
    v[3] ^= last;
    round_of(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        round_of(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Whether a number stands for a value. */
static inline int is_value(const Table *table, uint32_t number, const unsigned char *key, size_t length)
{
    const Entry *entry = &table->entries[number];
    return entry->length == length && !memcmp(table->bytes + entry->at, key, length);
}

/* Where a value would stand among those met lately: a hash costs more than to compare with one of them. Who chooses
 * values that meet here only has them hashed. */
static inline uint32_t *recent_of(Table *table, const unsigned char *key, size_t length)
{
    uint64_t word = 0;
    memcpy(&word, key + length / 2, length < 16 ? length / 2 : sizeof(word));
    word = (word ^ length) * 0x9e3779b97f4a7c15u;
    return &table->recent[(word >> 32) % RECENT];
}

/* The number of a value, -1 where it is too long or there is no memory. */
static int64_t number_of(Table *table, const Span *fields, int count, uint64_t seed)
{
    unsigned char key[MOST_FIELDS * (LONGEST_FIELD + sizeof(uint32_t))];
    size_t length = 0;
    for (int i = 0; i < count; i++) {
        uint32_t mark = fields[i].at ? fields[i].length + 1 : 0;
        if (mark > LONGEST_FIELD)
            return -1;
        memcpy(key + length, &mark, sizeof(mark));
        length += sizeof(mark);
        if (fields[i].at)
            memcpy(key + length, fields[i].at, fields[i].length);
        length += fields[i].length;
    }
    uint32_t *recent = recent_of(table, key, length);
    if (*recent && is_value(table, *recent - 1, key, length))
        return *recent - 1;
    if (!has_slots(table))
        return -1;
    uint64_t hash = hash_of(key, length, seed), slot = hash & (table->slot_count - 1);
    uint32_t known;
    while ((known = table->slots[slot])) {
        if (table->entries[known - 1].hash == hash && is_value(table, known - 1, key, length)) {
            *recent = known;
            return known - 1;
        }
        slot = (slot + 1) & (table->slot_count - 1);
    }
    if (table->count == UINT32_MAX - 1
        || !has_room(&table->entries, &table->entry_room, table->count + 1ull, sizeof(Entry))
        || !has_room(&table->bytes, &table->byte_room, table->filled + length, 1))
        return -1;
    memcpy(table->bytes + table->filled, key, length);
    table->entries[table->count] = (Entry){
        .hash = hash, .at = table->filled, .length = (uint32_t)length, .home = NO_HOME,
    };
    table->filled += length;
    table->slots[slot] = *recent = ++table->count;
    return table->count - 1;
}

/* Note that a value was met in a text; its place among those of the text, -1 where there is no memory. */
static inline int64_t see(Table *table, uint32_t number, uint32_t text)
{
    Entry *entry = &table->entries[number];
    if (entry->text != text) {
        if (!has_room(&table->seen, &table->seen_room, table->seen_count + 1, sizeof(uint32_t)))
            return -1;
        entry->text = text;
        entry->place = (uint32_t)table->seen_count;
        table->seen[table->seen_count++] = number;
    }
    return entry->place;
}

static void forget(Table *table)
{
    free(table->entries);
    free(table->slots);
    free(table->bytes);
    free(table->seen);
    memset(table, 0, sizeof(*table));
}

#endif
