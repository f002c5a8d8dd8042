/** How long work tells its caller where it is, and asks whether to go on. The library itself never prints. */
#ifndef SHINDEN_PROGRESS_H
#define SHINDEN_PROGRESS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shn_progress {
    const char *what;       /**< borrowed for the call: "import", "epoch 3/30", "bootstrap" */
    uint64_t    done, total;/**< in units; total 0: not known */
    const char *unit;       /**< "records", "steps" */
    const char *detail;     /**< a few words such as "loss 1.234"; may be NULL */
} shn_progress;

/** Return 0 to go on, anything else to stop: the call then ends with SHN_CANCELLED, nothing lost. May be called often. */
typedef int shn_progress_fn(void *context, const shn_progress *progress);
typedef struct shn_watcher { shn_progress_fn *fn; void *context; } shn_watcher;   /**< fn may be NULL */

#ifdef __cplusplus
}
#endif
#endif
