/* Length of a clock cycle: additions that each need the last one's result take a cycle each. */
#include <stdint.h>
#include <time.h>

/* Least nanoseconds of a cycle, in processor time, of several rounds. */
double cycle_ns(void)
{
    double best = 1e9;
    for (int round = 0; round < 50; round++) {
        struct timespec t0, t1;
        uint64_t x = 0;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
        for (int i = 0; i < 20000; i++)
            __asm__ volatile(
                "add $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\t"
                "add $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\t"
                : "+r"(x));
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
        const double ns = (double)(t1.tv_sec - t0.tv_sec) * 1e9 + (double)(t1.tv_nsec - t0.tv_nsec);
        if (ns / 200000 < best)
            best = ns / 200000;
    }
    return best;
}
