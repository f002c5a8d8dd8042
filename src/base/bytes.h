/** Bytes become integers here, one at a time, in a stated order; nobody lays a struct over a buffer. */
#ifndef SHN_BASE_BYTES_H
#define SHN_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint16_t read_u16le(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static inline uint16_t read_u16be(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static inline int16_t  read_i16le(const uint8_t *p) { return (int16_t)read_u16le(p); }
static inline int16_t  read_i16be(const uint8_t *p) { return (int16_t)read_u16be(p); }
static inline uint32_t read_u32le(const uint8_t *p) { return (uint32_t)read_u16le(p) | (uint32_t)read_u16le(p + 2) << 16; }
static inline uint32_t read_u32be(const uint8_t *p) { return (uint32_t)read_u16be(p) << 16 | read_u16be(p + 2); }
static inline int32_t  read_i32le(const uint8_t *p) { return (int32_t)read_u32le(p); }
static inline uint64_t read_u64le(const uint8_t *p) { return (uint64_t)read_u32le(p) | (uint64_t)read_u32le(p + 4) << 32; }
static inline float    read_f32le(const uint8_t *p) { const uint32_t u = read_u32le(p); float f; memcpy(&f, &u, 4); return f; }
static inline void write_u16le(uint8_t *p, uint16_t v) { p[0] = (uint8_t)v; p[1] = (uint8_t)(v >> 8); }
static inline void write_u32le(uint8_t *p, uint32_t v) { write_u16le(p, (uint16_t)v); write_u16le(p + 2, (uint16_t)(v >> 16)); }
static inline void write_u64le(uint8_t *p, uint64_t v) { write_u32le(p, (uint32_t)v); write_u32le(p + 4, (uint32_t)(v >> 32)); }

#endif
