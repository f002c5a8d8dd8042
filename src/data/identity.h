/** A set of text pairs, for finding records and patients again: (source, id) or (source, patient). */
#ifndef SHN_DATA_IDENTITY_H
#define SHN_DATA_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

typedef struct shn_identity { const char *a, *b, *value; } shn_identity;
typedef struct shn_identities { shn_identity *slots; size_t n, size; } shn_identities;

/**
 * The entry for (a, b), made with value NULL where it was not there; strings are borrowed. NULL when out of memory.
 * Valid until the next call.
 */
shn_identity *shn_identity_of(shn_identities *set, const char *a, const char *b);
void          shn_identities_free(shn_identities *set);

#endif
