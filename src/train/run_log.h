/**
 * What a run leaves to be looked at: log.jsonl (one object per step) and a TensorBoard event file. Both are append-only, synced
 * before every checkpoint, whose positions a resumed run cuts them back to: no step is there twice.
 *
 * Event file: records of u64le length, u32le masked CRC-32C of the length, bytes, u32le masked CRC-32C of the bytes; the bytes
 * are protobuf `Event`: 1 wall_time double, 2 step int64, 3 file_version string, 5 summary { 1 value { 1 tag, 2 simple_value } }.
 * Source  TensorFlow: core/lib/io/record_writer.cc, core/util/event.proto, core/framework/summary.proto.
 */
#ifndef SHN_TRAIN_RUN_LOG_H
#define SHN_TRAIN_RUN_LOG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "shinden/status.h"

typedef struct shn_run_log { FILE *json, *events; } shn_run_log;

typedef struct shn_scalar { const char *name; double value; } shn_scalar;      /* name: plain ASCII without quotes */

/**
 * Opens folder/log.jsonl and folder/events.out.tfevents.0.shinden, cut back to the positions given (0, 0: begun anew).
 * A log shorter than its position (someone edited it) is kept as it is.
 */
SHN_NODISCARD shn_status shn_run_log_open(const char *folder, uint64_t json_at, uint64_t events_at, shn_run_log *log, shn_error *err);
/** One line {"event": event, "step": step, scalars...} and one event record per call. */
SHN_NODISCARD shn_status shn_run_log_scalars(shn_run_log *log, const char *event, uint64_t step, const shn_scalar *scalars, size_t n,
                                             shn_error *err);
/** One line of log.jsonl with text values (any UTF-8; escaped): {"event": event, key: value ...}, keys and values in turn. */
SHN_NODISCARD shn_status shn_run_log_note(shn_run_log *log, const char *event, const char *const *pairs, size_t n_pairs, shn_error *err);
/** Flushes and syncs; positions for the checkpoint. */
SHN_NODISCARD shn_status shn_run_log_sync(shn_run_log *log, uint64_t *json_at, uint64_t *events_at, shn_error *err);
void shn_run_log_close(shn_run_log *log);           /* safe on a zeroed or closed one */

/** CRC-32C (Castagnoli), not masked. */
uint32_t shn_crc32c(const void *bytes, size_t n);

#endif
