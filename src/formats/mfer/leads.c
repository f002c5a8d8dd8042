/** The standard's tables of lead codes and units, as far as ECGs use them. */
#include "formats/mfer/mfer.h"

/* -aVR is spelled out: where punctuation is dropped from names it would be taken for aVR */
static const struct { int code; const char *name; } leads[] = {
    { 1, "I" },     { 2, "II" },    { 3, "V1" },    { 4, "V2" },    { 5, "V3" },    { 6, "V4" },   { 7, "V5" },    { 8, "V6" },    { 9, "V7" },
    { 11, "V3R" },  { 12, "V4R" },  { 13, "V5R" },  { 14, "V6R" },  { 15, "V7R" },  { 16, "X" },   { 17, "Y" },    { 18, "Z" },    { 19, "CC5" },
    { 20, "CM5" },  { 31, "NASA" }, { 32, "CB4" },  { 33, "CB5" },  { 34, "CB6" },  { 61, "III" }, { 62, "aVR" },  { 63, "aVL" },  { 64, "aVF" },
    { 65, "inverted aVR" }, { 66, "V8" },   { 67, "V9" },   { 68, "V8R" },  { 69, "V9R" },  { 70, "D" },   { 71, "A" },    { 72, "J" },
    { 143, "blood pressure" },      { 160, "respiration" },         { 175, "SpO2" }, { 4160, "status" }, { 4161, "body position" },
    { 4162, "body motion" },        { 4163, "respiration" },        { 4166, "ECG1" }, { 4167, "ECG2" },  { 4168, "ECG3" }, { 4169, "ECG4" },
};

const char *mfer_lead_name(int code)
{
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++)
        if (leads[i].code == code) return leads[i].name;
    return NULL;
}

const char *mfer_unit_name(int unit)
{
    static const char *const units[] = { "V", "mmHg", "Pa", "cmH2O", "mmHg/s", "dyn", "N", "%", "degC", "/min", "/s", "ohm", "A", "rpm", "W", "dB", "kg", "J",
                                         "dyn s/m2 cm5", "l", "l/s", "l/min", "cd" };
    return unit >= 0 && (size_t)unit < sizeof units / sizeof *units ? units[unit] : "?";
}
