/** A day of the calendar, and the age of a person at it: what every format with dates needs, decided once. */
#ifndef SHN_FORMATS_DAY_H
#define SHN_FORMATS_DAY_H

typedef struct shn_day { int year, month, day; } shn_day;

/** 1 if it is a day of the Gregorian calendar from 1800 to 9999. */
int shn_day_valid(const shn_day *day);
/** Whole years from birth to the day; NaN if one is no day, if it is before birth or more than 150 years after. */
double shn_day_age(const shn_day *birth, const shn_day *at);
/** The same of a birth date that begins with eight digits YYYYMMDD (HL7 and DICOM) and a text that begins with YYYY-MM-DD; NaN also if one is none. */
double shn_day_age_text(const char *birth, const char *at);

#endif
