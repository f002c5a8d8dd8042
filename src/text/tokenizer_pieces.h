/** The pieces of a vocabulary by id and by text. Which of them a text may yield is a flag: special ones it may not. */
#ifndef SHN_TEXT_TOKENIZER_PIECES_H
#define SHN_TEXT_TOKENIZER_PIECES_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

enum { PIECE_ABSENT = 0, PIECE_TEXT = 1, PIECE_SPECIAL = 2 };

typedef struct shn_pieces {
    char     *blob;             /* all pieces one after another */
    size_t    n_blob, blob_room;
    size_t   *at;               /* [n] begin in blob */
    uint16_t *length;           /* [n], at most SHN_TOKEN_PIECE_MAX */
    uint8_t  *kind;             /* [n] PIECE_* */
    size_t    n;                /* largest id + 1 */
    size_t    at_room, length_room, kind_room;
    uint32_t *slots;            /* [n_slots] id + 1, 0 empty; a power of two, at most half full */
    size_t    n_slots;
    size_t    length_max;       /* of the PIECE_TEXT ones */
} shn_pieces;

void shn_pieces_free(shn_pieces *p);
/** Sets the piece of an id. Errors SHN_RANGE (limit) id or length; SHN_FORMAT (duplicate_id) the id has another text already. */
SHN_NODISCARD shn_status shn_pieces_put(shn_pieces *p, uint64_t id, const char *bytes, size_t n, int kind, shn_error *err);
/** Builds the look-up once all are put. SHN_FORMAT (duplicate_id): two ids for one text piece. */
SHN_NODISCARD shn_status shn_pieces_index(shn_pieces *p, shn_error *err);
/** The id of a piece of this kind; -1: none. */
int64_t shn_pieces_find(const shn_pieces *p, const char *bytes, size_t n, int kind);
const char *shn_pieces_at(const shn_pieces *p, size_t id, size_t *n);      /* id < n */

#endif
