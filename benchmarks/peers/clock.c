/* 200 000 additions, each of which needs the result of the one before: a cycle each. */
#include <stdint.h>

#if defined(__x86_64__)
#define ADDITION "add $1, %0\n\t"
#elif defined(__aarch64__)
#define ADDITION "add %0, %0, #1\n\t"
#endif

void additions(void)
{
    uint64_t x = 0;
    for (int i = 0; i < 20000; i++)
        __asm__ volatile(ADDITION ADDITION ADDITION ADDITION ADDITION ADDITION ADDITION ADDITION ADDITION ADDITION
                         : "+r"(x));
}
