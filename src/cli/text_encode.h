/** Sub-verb of `shinden text`. */
#ifndef SHN_CLI_TEXT_ENCODE_H
#define SHN_CLI_TEXT_ENCODE_H

#include "cli/cli.h"

cli_verb text_encode;

#endif
