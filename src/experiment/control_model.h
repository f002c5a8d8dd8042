/** Controls of a run as models, made once and kept in the experiment's folder. */
#ifndef SHN_EXPERIMENT_CONTROL_MODEL_H
#define SHN_EXPERIMENT_CONTROL_MODEL_H

#include "experiment/grid.h"

/** Which model of a run is judged: what was trained, or a control of the same shape, on the same training records. */
typedef enum xp_what { XP_TRAINED, XP_FREQUENCY, XP_RANDOM_PROBE } xp_what;
/** "label frequency", "random encoder, linear probe"; "" for what was trained. */
const char *xp_what_name(xp_what what);

/**
 * The control like a run's model, fitted on `val` as that was. DIR/controls/NAME-DIGEST.safetensors keeps it: the digest is of all that decides it, the encoder's shape and input, the
 * training and validation records, and how often findings occurred.
 * @param[out] out  owned by the caller
 * Errors  as control_probe_model, shn_model_fit;  SHN_IO
 */
SHN_NODISCARD shn_status xp_control_model(const xp_grid *g, const xp_run *run, xp_what what, const shn_model *like, const shn_watcher *watcher, shn_model **out, shn_error *err);

#endif
