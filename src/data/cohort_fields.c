#include "data/cohort_fields.h"

#include <string.h>

static const shn_field_extent extents[SHN_FIELD_COUNT] = {
#define X(tag, name, type, extent) SHN_EXTENT_##extent,
    SHN_COHORT_FIELDS(X)
#undef X
};

void shn_cohort_fields_init(shn_h5_field fields[SHN_FIELD_COUNT])
{
    static const size_t ranks[] = { 3, 2, 2, 1, 1, 1, 1 };
    static const shn_h5_field plain[SHN_FIELD_COUNT] = {
#define X(tag, name_, type_, extent) { .name = name_, .type = SHN_H5_##type_ },
        SHN_COHORT_FIELDS(X)
#undef X
    };
    memcpy(fields, plain, sizeof plain);
    for (int i = 0; i < SHN_FIELD_COUNT; i++) {
        fields[i].rank = ranks[extents[i]];
        fields[i].optional = extents[i] == SHN_EXTENT_ABOUT_K;
    }
}

shn_field_extent shn_cohort_field_extent(shn_field_tag tag) { return extents[tag]; }
