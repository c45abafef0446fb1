module fuota_fec/benchmarks/peers

go 1.19

require github.com/brocaar/lorawan v0.0.0-20210809075358-95fc1667572e
