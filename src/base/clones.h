/**
 * One C source compiled for several instruction sets, the fitting one chosen when the program is loaded. The build never
 * contracts a product and a sum, so all give the same bits.
 */
#ifndef SHN_BASE_CLONES_H
#define SHN_BASE_CLONES_H

/* Not under sanitizers or clang, whose instrumented resolvers run before their own start-up, nor in a baseline build. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(SHN_BASELINE)
#define SHN_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SHN_CLONES
#endif

#endif
