package mfa_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/keyd-hsm/keyd/mfa"
)

// BenchmarkVerify: right codes of TOTP devices, each computed in the token and on
// disk before the answer; of one user after the other, and of 64 at once, whose
// writes share commits.
func BenchmarkVerify(b *testing.B) {
	for _, users := range []int{1, 64} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			f := start(b)
			from := time.Now()
			var steps atomic.Int64 // by which the clock that devices go by is ahead
			clock := func() time.Time { return from.Add(time.Duration(steps.Load()) * stepSeconds * time.Second) }
			cfg := f.Config
			cfg.RealTime = clock
			s := mfa.New(cfg)
			owners, devices := make([]string, users), make([]device, users)
			for i := range users {
				u, _ := f.kit.UserWithKey(fmt.Sprintf("user%d", i))
				owners[i], devices[i] = u.ID, f.device(u.Name)
				devices[i].enable(u.ID)
			}
			steps.Add(1e6) // later than all that were spent
			b.ResetTimer()
			for done := 0; done < b.N; done += users {
				steps.Add(1)
				now := clock()
				errs := make(chan error, users)
				for i := range users {
					go func() {
						code, err := totp.GenerateCode(devices[i].seed, now)
						if err == nil {
							_, err = s.Verify(b.Context(), owners[i], devices[i].serial, code)
						}
						errs <- err
					}()
				}
				for range users {
					if err := <-errs; err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "codes/s")
		})
	}
}
