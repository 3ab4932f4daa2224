package iam_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/store"
)

// lastUsed is when a user used a service last, by the report.
func (f *fixture) lastUsed(arn, service string) (at time.Time) {
	f.t.Helper()
	f.view(func(tx iam.Tx) error {
		found, _, err := f.EntitiesAccessed(tx, arn, service, iam.Page{})
		if len(found) == 1 {
			at = found[0].Last
		}
		return err
	})
	return at
}

// TestAccesses: what was noted is reported at once, survives when it was flushed,
// and goes with the user.
func TestAccesses(t *testing.T) {
	f := start(t)
	bob := f.user("bob").ARN()
	if !f.lastUsed(bob, "kms").IsZero() {
		t.Error("used already")
	}
	f.Accessed(bob, "kms", f.now)
	f.Accessed("arn:aws:iam::111122223333:user/ghost", "kms", f.now)
	for range 2 {
		if got := f.lastUsed(bob, "kms"); !got.Equal(f.now) {
			t.Error(got)
		}
		f.must(f.FlushAccesses(t.Context()))
	}
	later := f.now.Add(time.Minute)
	f.Accessed(bob, "kms", later)
	f.Accessed(bob, "sts", later)
	if kms, sts, iam := f.lastUsed(bob, "kms"), f.lastUsed(bob, "sts"), f.lastUsed(bob, "iam"); !kms.Equal(later) || !sts.Equal(later) || !iam.IsZero() {
		t.Error(kms, sts, iam)
	}
	f.must(f.FlushAccesses(t.Context()))
	f.do(func(tx iam.Tx) error { return f.DeleteUser(tx, "bob") })
	if again := f.user("bob").ARN(); !f.lastUsed(again, "kms").IsZero() {
		t.Error("a new user of the name was there before")
	}
}

// TestFlushFails: what could not be written is kept for the next time.
func TestFlushFails(t *testing.T) {
	f := start(t)
	bob := f.user("bob").ARN()
	f.Accessed(bob, "kms", f.now)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.FlushAccesses(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if got := f.lastUsed(bob, "kms"); !got.Equal(f.now) {
		t.Error(got)
	}
	f.must(f.FlushAccesses(t.Context()))
	fresh := iam.New(iam.Config{Account: account, DB: f.db, Sealer: sealer{}, Clock: func() time.Time { return f.now }})
	defer fresh.Close()
	f.view(func(tx iam.Tx) error {
		found, _, err := fresh.EntitiesAccessed(tx, bob, "kms", iam.Page{})
		if err != nil || len(found) != 1 || !found[0].Last.Equal(f.now) {
			t.Errorf("%v %v", found, err)
		}
		return nil
	})
}

// TestJobsAreBounded: a thousand jobs, and none older than a week.
func TestJobsAreBounded(t *testing.T) {
	f := start(t)
	stored := func() (n int) {
		f.view(func(tx iam.Tx) error {
			for range tx.Scan("iam-report-job/", "") {
				n++
			}
			return nil
		})
		return n
	}
	begin := func(n int) {
		f.do(func(tx iam.Tx) error {
			for range n {
				if _, err := f.StartReport(tx, readOnly, "SERVICE_LEVEL"); err != nil {
					return err
				}
			}
			return nil
		})
	}
	begin(100)
	f.now = f.now.Add(8 * 24 * time.Hour)
	begin(50)
	if n := stored(); n != 50 {
		t.Errorf("%d jobs", n)
	}
	begin(1_000)
	if n := stored(); n != 1_000 {
		t.Errorf("%d jobs", n)
	}
}

// TestChangesAreInForce: once a change has returned, no reader on any goroutine
// sees what was before it, however many fill the cache meanwhile.
func TestChangesAreInForce(t *testing.T) {
	f := start(t)
	u := f.user("bob")
	bob := iam.Holder{Kind: iam.KindUser, Name: "bob"}
	stop := make(chan struct{})
	failed := make(chan error, 4)
	for range 4 {
		go func() {
			for {
				select {
				case <-stop:
					failed <- nil
					return
				default:
				}
				if _, err := f.PoliciesOf(context.Background(), asUser(u)); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	for i := range 100 {
		want := i % 2
		f.do(func(tx iam.Tx) error {
			if want == 0 {
				if i == 0 {
					return nil
				}
				return f.DeleteInlinePolicy(tx, bob, "p")
			}
			return f.PutInlinePolicy(tx, bob, "p", everything)
		})
		if g, err := f.PoliciesOf(t.Context(), asUser(u)); err != nil || len(g.Identity) != want {
			t.Fatalf("round %d: %v %v", i, g, err)
		}
	}
	close(stop)
	for range 4 {
		f.must(<-failed)
	}
}

// BenchmarkGather is what the first request of a caller after a change pays, among
// many users.
func BenchmarkGather(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		b.Run(fmt.Sprintf("users=%d", n), func(b *testing.B) {
			f := start(b)
			f.group("ops")
			arn := f.policy("p", everything)
			f.do(func(tx store.Tx) error {
				return f.AttachPolicy(tx, iam.Holder{Kind: iam.KindGroup, Name: "ops"}, arn)
			})
			all := make([]iam.Principal, n)
			f.do(func(tx store.Tx) error {
				for i := range all {
					u, err := f.CreateUser(tx, iam.NewUser{Name: "u" + number(i)})
					if err := errors.Join(err, f.AddUser(tx, "ops", u.Name)); err != nil {
						return err
					}
					all[i] = asUser(u)
				}
				return nil
			})
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if i%n == 0 { // forget everything
					b.StopTimer()
					f.do(func(tx store.Tx) error { return f.TagPolicy(tx, arn, nil) })
					b.StartTimer()
				}
				g, err := f.PoliciesOf(b.Context(), all[i%n])
				if err != nil || len(g.Identity) != 1 {
					b.Fatal(g, err)
				}
				i++
			}
		})
	}
}
