/* The HDF5 library keeps global state, so one lock covers it: nothing here is hot. */
#include "base/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"

#define H5_ATTRIBUTES_MAX 256           /* of one file */
#define H5_TEXT_MAX       ((size_t)1 << 20)
#define PROBE_BYTES       ((off_t)1 << 20)
#define H5_ALIGNMENT      64            /* every data set starts on a cache line */

static pthread_mutex_t h5_lock = PTHREAD_MUTEX_INITIALIZER;

static char complaint[120];             /* HDF5's words for the first thing that failed since enter(); under the lock */

static herr_t innermost(unsigned n, const H5E_error2_t *entry, void *text)
{
    (void)n;
    if (entry->desc && *entry->desc) snprintf(text, sizeof complaint, "%s", entry->desc);
    return 0;
}

/** Called by HDF5 where it would print; later calls of its API would have cleared the words. */
static herr_t on_error(hid_t stack, void *unused)
{
    (void)unused;
    if (!*complaint) H5Ewalk2(stack, H5E_WALK_DOWNWARD, innermost, complaint);
    return 0;
}

static void enter(void)
{
    static int told;
    pthread_mutex_lock(&h5_lock);
    if (!told) H5dont_atexit();         /* its clean-up at exit crashes after a close that failed on a full disk */
    told = 1;
    *complaint = '\0';
    H5Eset_auto2(H5E_DEFAULT, on_error, NULL);
}

static void leave(void) { pthread_mutex_unlock(&h5_lock); }

static shn_status fail_h5(shn_error *err, const char *path, const char *what)
{
    if (!*complaint) return shn_fail_nomem(err, "h5");          /* HDF5 is content: it was our own memory that ran out */
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "h5", "%s: %s: HDF5 says: %s", path, what, complaint);
}

size_t shn_h5_element_bytes(const shn_h5_field *f)
{
    switch (f->type) {
    case SHN_H5_U8: return 1;
    case SHN_H5_I16: return 2;
    case SHN_H5_TEXT: return f->text_bytes;
    default: return 4;
    }
}

size_t shn_h5_field_bytes(const shn_h5_field *f)
{
    size_t bytes = shn_h5_element_bytes(f);
    for (size_t i = 0; i < f->rank; i++)
        if (__builtin_mul_overflow(bytes, f->shape[i], &bytes)) return 0;
    return bytes > SIZE_MAX / 4 ? 0 : bytes;
}

/** A string type of `bytes` bytes; to be closed. */
static hid_t text_type(size_t bytes)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    if (type < 0) return type;
    if (H5Tset_size(type, bytes) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0 && H5Tset_strpad(type, H5T_STR_NULLTERM) >= 0)
        return type;
    H5Tclose(type);
    return -1;
}

static hid_t field_type(const shn_h5_field *f)
{
    switch (f->type) {
    case SHN_H5_U8: return H5Tcopy(H5T_STD_U8LE);
    case SHN_H5_I16: return H5Tcopy(H5T_STD_I16LE);
    case SHN_H5_I32: return H5Tcopy(H5T_STD_I32LE);
    case SHN_H5_U32: return H5Tcopy(H5T_STD_U32LE);
    case SHN_H5_F32: return H5Tcopy(H5T_IEEE_F32LE);
    default: return text_type(f->text_bytes);
    }
}

static int create_field(hid_t file, hid_t plist, shn_h5_field *f)
{
    hsize_t shape[SHN_H5_RANK_MAX];
    for (size_t i = 0; i < f->rank; i++) shape[i] = f->shape[i];
    const hid_t type = field_type(f);
    const hid_t space = H5Screate_simple((int)f->rank, shape, NULL);
    const hid_t set = type < 0 || space < 0 ? -1 : H5Dcreate2(file, f->name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    haddr_t     offset = HADDR_UNDEF;
    if (set >= 0) {
        offset = H5Dget_offset(set);
        H5Dclose(set);
    }
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (offset == HADDR_UNDEF) return -1;
    f->offset = offset;
    return 0;
}

static int write_texts(hid_t where, const char *name, const char *const *texts, size_t n, int scalar)
{
    size_t width = 1;
    for (size_t i = 0; i < n; i++)
        if (strlen(texts[i]) + 1 > width) width = strlen(texts[i]) + 1;
    char *packed = shn_alloc(n ? n : 1, width);
    if (!packed) return -1;
    for (size_t i = 0; i < n; i++) memcpy(packed + i * width, texts[i], strlen(texts[i]));
    const hsize_t count = n;
    const hid_t   type = text_type(width);
    const hid_t   space = scalar ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &count, NULL);
    const hid_t   a = type < 0 || space < 0 ? -1 : H5Acreate2(where, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    int           bad = a < 0 || H5Awrite(a, type, packed) < 0;
    if (a >= 0 && H5Aclose(a) < 0) bad = 1;
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    free(packed);
    return bad ? -1 : 0;
}

static int write_number(hid_t where, const char *name, double x)
{
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t a = space < 0 ? -1 : H5Acreate2(where, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    int         bad = a < 0 || H5Awrite(a, H5T_NATIVE_DOUBLE, &x) < 0;
    if (a >= 0 && H5Aclose(a) < 0) bad = 1;
    if (space >= 0) H5Sclose(space);
    return bad ? -1 : 0;
}

static int write_attribute(hid_t file, const shn_h5_attribute *a)
{
    const hid_t where = a->field ? H5Dopen2(file, a->field, H5P_DEFAULT) : H5Gopen2(file, "/", H5P_DEFAULT);
    if (where < 0) return -1;
    const int bad = a->texts  ? write_texts(where, a->name, a->texts, a->n_texts, 0)
                    : a->text ? write_texts(where, a->name, &a->text, 1, 1)
                              : write_number(where, a->name, a->number);
    if (a->field) H5Dclose(where);
    else H5Gclose(where);
    return bad;
}

static shn_status create_locked(const char *path, shn_h5_field *fields, size_t n_fields, const shn_h5_attribute *attributes,
                                size_t n_attributes, shn_error *err)
{
    shn_status  st = SHN_OK;
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS), plist = H5Pcreate(H5P_DATASET_CREATE);
    hid_t       file = -1;
    /* the object cache of 1.10 keeps no times in data sets unless asked; times would make two imports differ */
    if (access < 0 || plist < 0 || H5Pset_alignment(access, 1, H5_ALIGNMENT) < 0 || H5Pset_layout(plist, H5D_CONTIGUOUS) < 0 ||
        H5Pset_alloc_time(plist, H5D_ALLOC_TIME_EARLY) < 0 || H5Pset_fill_time(plist, H5D_FILL_TIME_NEVER) < 0 ||
        H5Pset_obj_track_times(plist, 0) < 0 || (file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access)) < 0)
        st = fail_h5(err, path, "cannot make the file");
    for (size_t i = 0; st == SHN_OK && i < n_fields; i++)
        if (create_field(file, plist, &fields[i]) != 0) st = fail_h5(err, path, fields[i].name);
    for (size_t i = 0; st == SHN_OK && i < n_attributes; i++)
        if (write_attribute(file, &attributes[i]) != 0) st = fail_h5(err, path, attributes[i].name);
    if (file >= 0 && H5Fclose(file) < 0 && st == SHN_OK) st = fail_h5(err, path, "cannot write the file");
    if (plist >= 0) H5Pclose(plist);
    if (access >= 0) H5Pclose(access);
    return st;
}

/**
 * Can there be a file of this size here? HDF5 finds out only when it closes, loses errno, and keeps the file open inside;
 * so its size and the blocks of its own structures are tried first.
 */
static shn_status probe_space(const char *path, const shn_h5_field *fields, size_t n_fields, shn_error *err)
{
    uint64_t  total = PROBE_BYTES;
    for (size_t i = 0; i < n_fields; i++) total += shn_h5_field_bytes(&fields[i]) + H5_ALIGNMENT;
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return shn_fail_errno(err, errno, "h5.create", path);
    int failed = ftruncate(fd, (off_t)total) != 0 || (fallocate(fd, 0, 0, PROBE_BYTES) != 0 && errno != EOPNOTSUPP && errno != ENOSYS);
    const int code = errno;
    if (ftruncate(fd, 0) != 0) failed = 1;
    close(fd);
    if (!failed) return SHN_OK;
    unlink(path);
    if (code != EFBIG) return shn_fail_errno(err, code, "h5.create", path);
    return shn_fail(err, SHN_IO, SHN_REASON_DISK_FULL, "h5.create", "%s: a file of %llu bytes is not allowed here; raise the file size limit and run the same command again",
                    path, (unsigned long long)total);
}

shn_status shn_h5_create(const char *path, shn_h5_field *fields, size_t n_fields, const shn_h5_attribute *attributes,
                         size_t n_attributes, shn_error *err)
{
    for (size_t i = 0; i < n_fields; i++)
        if (fields[i].rank == 0 || fields[i].rank > SHN_H5_RANK_MAX || shn_h5_field_bytes(&fields[i]) == 0)
            return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "h5.create", "%s: size of '%s' is 0 or too large", path, fields[i].name);
    shn_status st = probe_space(path, fields, n_fields, err);
    if (st != SHN_OK) return st;
    enter();
    st = create_locked(path, fields, n_fields, attributes, n_attributes, err);
    leave();
    return st;
}

void shn_h5_texts_free(shn_h5_texts *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->names[i]);
        free(t->values[i]);
    }
    free(t->names);
    free(t->values);
    memset(t, 0, sizeof *t);
}

/** Fixed-size strings of an attribute, joined by ','. */
static char *join_texts(hid_t a, hid_t type, size_t count)
{
    const size_t width = H5Tget_size(type);
    if (width == 0 || count == 0 || width > H5_TEXT_MAX || count > H5_TEXT_MAX / width) return shn_strdup("");
    char *raw = shn_alloc(count, width), *joined = shn_alloc(count, width + 1);
    if (!raw || !joined || H5Aread(a, type, raw) < 0) {
        free(raw);
        free(joined);
        return NULL;
    }
    char *end = joined;
    for (size_t i = 0; i < count; i++) {
        const size_t len = strnlen(raw + i * width, width);
        if (i) *end++ = ',';
        memcpy(end, raw + i * width, len);
        end += len;
    }
    *end = '\0';
    free(raw);
    return joined;
}

/** A variable-length scalar, as h5py writes its str attributes. */
static char *variable_text(hid_t a, hid_t type, hid_t space, size_t count)
{
    char *raw = NULL, *copy = NULL;
    if (count != 1 || H5Aread(a, type, &raw) < 0) return shn_strdup("");
    copy = shn_strdup(raw ? raw : "");
    H5Dvlen_reclaim(type, space, H5P_DEFAULT, &raw);
    return copy;
}

static char *attribute_text(hid_t a)
{
    const hid_t type = H5Aget_type(a), space = H5Aget_space(a);
    char       *text = NULL;
    if (type >= 0 && space >= 0) {
        const hssize_t    count = H5Sget_simple_extent_npoints(space);
        const H5T_class_t class = H5Tget_class(type);
        if (count >= 0 && class == H5T_STRING && H5Tis_variable_str(type) > 0) text = variable_text(a, type, space, (size_t)count);
        else if (count >= 0 && class == H5T_STRING) text = join_texts(a, type, (size_t)count);
        else if (count == 1 && (class == H5T_FLOAT || class == H5T_INTEGER)) {
            double x = 0;
            char   word[40];
            if (H5Aread(a, H5T_NATIVE_DOUBLE, &x) >= 0) {
                snprintf(word, sizeof word, "%.17g", x);
                text = shn_strdup(word);
            }
        } else text = shn_strdup("");
    }
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return text;
}

static shn_status read_attributes(hid_t file, const char *path, shn_h5_texts *out, shn_error *err)
{
    H5O_info_t info;
    const hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
    if (root < 0 || H5Oget_info2(root, &info, H5O_INFO_NUM_ATTRS) < 0) {
        if (root >= 0) H5Gclose(root);
        return fail_h5(err, path, "cannot read the attributes");
    }
    shn_status   st = SHN_OK;
    const size_t n = info.num_attrs < H5_ATTRIBUTES_MAX ? (size_t)info.num_attrs : H5_ATTRIBUTES_MAX;
    out->names = shn_alloc(n, sizeof *out->names);
    out->values = shn_alloc(n, sizeof *out->values);
    if (!out->names || !out->values) st = shn_fail_nomem(err, "h5.attributes");
    for (size_t i = 0; st == SHN_OK && i < n; i++) {
        char        name[128] = "";
        const hid_t a = H5Aopen_by_idx(root, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
        if (a < 0 || H5Aget_name(a, sizeof name, name) < 0) st = fail_h5(err, path, "cannot read an attribute");
        if (st == SHN_OK) {
            out->names[i] = shn_strdup(name);
            out->values[i] = attribute_text(a);
            out->n = i + 1;
            if (!out->names[i] || !out->values[i]) st = shn_fail_nomem(err, "h5.attributes");
        }
        if (a >= 0) H5Aclose(a);
    }
    H5Gclose(root);
    return st;
}

/** Does the type in the file equal the one asked for? Fills text_bytes for TEXT. */
static int type_matches(hid_t type, shn_h5_field *f)
{
    if (f->type == SHN_H5_TEXT) {
        if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0) return 0;
        f->text_bytes = H5Tget_size(type);
        return f->text_bytes > 0;
    }
    const hid_t wanted = field_type(f);
    const int   same = wanted >= 0 && H5Tequal(type, wanted) > 0;
    if (wanted >= 0) H5Tclose(wanted);
    return same;
}

static shn_status check_place(const char *path, uint64_t file_bytes, shn_h5_field *f, hid_t set, shn_error *err)
{
    const hid_t   plist = H5Dget_create_plist(set);
    const int     plain = plist >= 0 && H5Pget_layout(plist) == H5D_CONTIGUOUS && H5Pget_nfilters(plist) == 0 &&
                          H5Pget_external_count(plist) == 0;
    const haddr_t offset = H5Dget_offset(set);
    if (plist >= 0) H5Pclose(plist);
    if (!plain)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_UNSUPPORTED, "h5.layout",
                        "%s: '%s' is chunked, compressed or external; Shinden maps contiguous data only, import it again", path, f->name);
    const size_t bytes = shn_h5_field_bytes(f);
    if (bytes == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "h5.layout", "%s: '%s' is empty or absurdly large", path, f->name);
    if (offset == HADDR_UNDEF || offset > file_bytes || bytes > file_bytes - offset)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "h5.layout",
                        "%s: '%s' (%zu bytes) does not lie inside the file (%llu bytes); copy or import it again", path, f->name,
                        bytes, (unsigned long long)file_bytes);
    const size_t align = f->type == SHN_H5_TEXT ? 1 : shn_h5_element_bytes(f);
    if (offset % align != 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "h5.layout", "%s: '%s' starts at an odd offset", path, f->name);
    f->offset = offset;
    return SHN_OK;
}

static shn_status find_field(hid_t file, const char *path, uint64_t file_bytes, shn_h5_field *f, shn_error *err)
{
    const hid_t set = H5Lexists(file, f->name, H5P_DEFAULT) > 0 ? H5Dopen2(file, f->name, H5P_DEFAULT) : -1;
    if (set < 0 && f->optional && H5Lexists(file, f->name, H5P_DEFAULT) == 0) return SHN_OK;
    if (set < 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "h5.layout", "%s: no data set '%s'; not a cohort of this version", path, f->name);
    const hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    const int   rank = space >= 0 ? H5Sget_simple_extent_ndims(space) : -1;
    hsize_t     shape[H5S_MAX_RANK] = { 0 };
    shn_status  st = SHN_OK;
    if (type < 0 || !type_matches(type, f) || rank != (int)f->rank || H5Sget_simple_extent_dims(space, shape, NULL) != rank)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "h5.layout", "%s: '%s' has another type or rank than a cohort's", path, f->name);
    for (size_t i = 0; st == SHN_OK && i < f->rank; i++) f->shape[i] = (size_t)shape[i];
    if (st == SHN_OK) st = check_place(path, file_bytes, f, set, err);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    H5Dclose(set);
    return st;
}

static shn_status layout_locked(const char *path, uint64_t file_bytes, shn_h5_field *fields, size_t n_fields,
                                shn_h5_texts *attributes, shn_error *err)
{
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access >= 0) H5Pset_file_locking(access, 0, 1);         /* read-only, and network file systems may refuse locks */
    const hid_t file = access < 0 ? -1 : H5Fopen(path, H5F_ACC_RDONLY, access);
    if (access >= 0) H5Pclose(access);
    if (file < 0) return fail_h5(err, path, "not a readable HDF5 file; name a cohort made by 'shinden import'");
    shn_status st = SHN_OK;
    for (size_t i = 0; st == SHN_OK && i < n_fields; i++) st = find_field(file, path, file_bytes, &fields[i], err);
    if (st == SHN_OK) st = read_attributes(file, path, attributes, err);
    if (st != SHN_OK) shn_h5_texts_free(attributes);
    H5Fclose(file);
    return st;
}

shn_status shn_h5_layout(const char *path, shn_h5_field *fields, size_t n_fields, shn_h5_texts *attributes, shn_error *err)
{
    struct stat info;
    memset(attributes, 0, sizeof *attributes);
    if (stat(path, &info) != 0 || access(path, R_OK) != 0) return shn_fail_errno(err, errno, "h5.open", path);
    if (!S_ISREG(info.st_mode))
        return shn_fail(err, SHN_IO, SHN_REASON_READ_ERROR, "h5.open", "%s: not a regular file; name a cohort", path);
    enter();
    const shn_status st = layout_locked(path, (uint64_t)info.st_size, fields, n_fields, attributes, err);
    leave();
    return st;
}

/* ---- data sets of other people's files ---- */

typedef struct foreign { hid_t file, set, space; } foreign;

static void close_foreign(foreign *f)
{
    if (f->space >= 0) H5Sclose(f->space);
    if (f->set >= 0) H5Dclose(f->set);
    if (f->file >= 0) H5Fclose(f->file);
}

static shn_status open_foreign(const char *path, const char *name, size_t rank, hsize_t *shape, foreign *f, shn_error *err)
{
    *f = (foreign){ -1, -1, -1 };
    const hid_t access_list = H5Pcreate(H5P_FILE_ACCESS);
    if (access_list >= 0) {
        H5Pset_file_locking(access_list, 0, 1);
        f->file = H5Fopen(path, H5F_ACC_RDONLY, access_list);
        H5Pclose(access_list);
    }
    if (f->file < 0) return fail_h5(err, path, "not a readable HDF5 file");
    if (H5Lexists(f->file, name, H5P_DEFAULT) > 0) f->set = H5Dopen2(f->file, name, H5P_DEFAULT);
    if (f->set < 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "h5.open", "no data set '%s' in this HDF5 file", name);
    f->space = H5Dget_space(f->set);
    const hid_t type = H5Dget_type(f->set);
    const H5T_class_t kind = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    if (type >= 0) H5Tclose(type);
    if (f->space < 0 || H5Sget_simple_extent_ndims(f->space) != (int)rank || H5Sget_simple_extent_dims(f->space, shape, NULL) != (int)rank)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "h5.open", "'%s' has not %zu dimensions", name, rank);
    if (kind != H5T_FLOAT && kind != H5T_INTEGER) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "h5.open", "'%s' holds no numbers", name);
    return SHN_OK;
}

static shn_status read_slab(foreign *f, const char *path, size_t rank, const hsize_t *shape, const size_t *start, const size_t *count, hid_t type, void *out,
                            shn_error *err)
{
    hsize_t from[H5S_MAX_RANK], n[H5S_MAX_RANK];
    for (size_t i = 0; i < rank; i++) {
        from[i] = start[i];
        n[i] = count[i];
        if (count[i] == 0 || start[i] > shape[i] || count[i] > shape[i] - start[i])
            return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "h5.read", "elements %zu to %zu of %llu along side %zu", start[i], start[i] + count[i],
                            (unsigned long long)shape[i], i);
    }
    const hid_t memory = H5Screate_simple((int)rank, n, NULL);
    const int   ok = memory >= 0 && H5Sselect_hyperslab(f->space, H5S_SELECT_SET, from, NULL, n, NULL) >= 0 &&
                     H5Dread(f->set, type, memory, f->space, H5P_DEFAULT, out) >= 0;
    if (memory >= 0) H5Sclose(memory);
    return ok ? SHN_OK : fail_h5(err, path, "cannot be read");
}

static shn_status readable(const char *path, shn_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0 || access(path, R_OK) != 0) return shn_fail_errno(err, errno, "h5.open", path);
    return S_ISREG(info.st_mode) ? SHN_OK : shn_fail(err, SHN_IO, SHN_REASON_READ_ERROR, "h5.open", "%s: not a regular file", path);
}

shn_status shn_h5_shape(const char *path, const char *name, size_t rank, size_t *shape, shn_error *err)
{
    hsize_t    sides[H5S_MAX_RANK] = { 0 };
    foreign    f;
    shn_status st = readable(path, err);
    if (st != SHN_OK) return st;
    enter();
    st = open_foreign(path, name, rank, sides, &f, err);
    for (size_t i = 0; i < rank; i++) shape[i] = (size_t)sides[i];
    close_foreign(&f);
    leave();
    return st;
}

shn_status shn_h5_slab(const char *path, const char *name, size_t rank, const size_t *start, const size_t *count, shn_h5_type type, void *out, shn_error *err)
{
    hsize_t    sides[H5S_MAX_RANK] = { 0 };
    foreign    f;
    shn_status st = readable(path, err);
    if (st != SHN_OK) return st;
    enter();
    static const shn_h5_type numbers[] = { SHN_H5_U8, SHN_H5_I16, SHN_H5_I32, SHN_H5_U32, SHN_H5_F32 };
    const hid_t native[] = { H5T_NATIVE_UINT8, H5T_NATIVE_INT16, H5T_NATIVE_INT32, H5T_NATIVE_UINT32, H5T_NATIVE_FLOAT };
    hid_t kind = -1;
    for (size_t i = 0; i < 5; i++)
        if (numbers[i] == type) kind = native[i];
    st = open_foreign(path, name, rank, sides, &f, err);
    if (st == SHN_OK) st = read_slab(&f, path, rank, sides, start, count, kind, out, err);
    close_foreign(&f);
    leave();
    return st;
}

shn_status shn_h5_integer(const char *path, const char *name, size_t row, int64_t *out, shn_error *err)
{
    hsize_t      side = 0;
    foreign      f;
    const size_t one = 1;
    shn_status   st = readable(path, err);
    if (st != SHN_OK) return st;
    enter();
    st = open_foreign(path, name, 1, &side, &f, err);
    if (st == SHN_OK) st = read_slab(&f, path, 1, &side, &row, &one, H5T_NATIVE_INT64, out, err);
    close_foreign(&f);
    leave();
    return st;
}
