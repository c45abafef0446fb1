// Coded fragments by brocaar/lorawan. Arguments: frag_size n_coded rounds; the block on standard input. Writes the
// coded fragments to standard output and the best time in nanoseconds to standard error.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/brocaar/lorawan/applayer/fragmentation"
)

func argument(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	if err != nil {
		panic(err)
	}
	return n
}

func main() {
	fragSize, nCoded, rounds := argument(1), argument(2), argument(3)
	block, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	var fragments [][]byte
	best := time.Duration(1<<63 - 1)
	for i := 0; i < rounds; i++ {
		begin := time.Now()
		fragments, err = fragmentation.Encode(block, fragSize, nCoded)
		if err != nil {
			panic(err)
		}
		if took := time.Since(begin); took < best {
			best = took
		}
	}
	for _, f := range fragments[len(block)/fragSize:] {
		os.Stdout.Write(f)
	}
	fmt.Fprintln(os.Stderr, best.Nanoseconds())
}
