package mfa_test

import (
	"encoding/base32"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/store"
)

// stepSeconds is the period of devices that nothing else is said of.
const stepSeconds = 30

// A fixture is a service with a clock that stands still, and the real token,
// store and identities under it.
type fixture struct {
	*mfa.Service
	t   testing.TB
	kit *testkit.Kit
	now time.Time
}

func start(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, kit: testkit.Start(t), now: time.Date(2026, 1, 2, 3, 4, 15, 0, time.UTC)}
	f.restart()
	return f
}

// restart makes the service anew over what is in the store.
func (f *fixture) restart() {
	clock := func() time.Time { return f.now }
	f.Service = mfa.New(mfa.Config{
		Account: testkit.Account, DB: f.kit.DB, IAM: f.kit.Identities, Seeds: f.kit.Service, Clock: clock, RealTime: clock,
	})
}

func (f *fixture) do(fn func(mfa.Tx) error) {
	f.t.Helper()
	f.kit.Update(func(tx store.Tx) error { return fn(tx) })
}

// A device is one that somebody holds in the hand: it knows the seed, and how its
// codes are made.
type device struct {
	f      *fixture
	serial string
	seed   string
	kind   string
	oath   mfa.OATH
}

// device makes one that nobody has.
func (f *fixture) device(name string) device {
	f.t.Helper()
	return f.make(mfa.NewDevice{Name: name})
}

// make makes a device that nobody has; it knows a seed that was imported, too.
func (f *fixture) make(in mfa.NewDevice) device {
	f.t.Helper()
	d, shown, err := f.Draft(f.t.Context(), in)
	if err != nil {
		f.t.Fatal(err)
	}
	f.do(func(tx mfa.Tx) error { return f.Create(tx, d) })
	seed := string(shown.Base32)
	if len(in.Seed) > 0 {
		if shown.Base32 != nil || shown.PNG != nil || shown.URI != "" {
			f.t.Error("an imported seed is shown")
		}
		seed = base32.StdEncoding.EncodeToString(in.Seed)
	}
	return device{f, d.Serial(), seed, d.Kind(), d.Codes()}
}

// code is what the device shows some steps from now; one that counts, for that
// counter.
func (d device) code(at int) string {
	d.f.t.Helper()
	var code string
	var err error
	if d.kind == mfa.TypeHOTP {
		code, err = hotp.GenerateCodeCustom(d.seed, uint64(at), hotp.ValidateOpts{Digits: otp.Digits(d.oath.Digits), Algorithm: judges[d.oath.Algorithm]})
	} else {
		code, err = totp.GenerateCodeCustom(d.seed, d.f.now.Add(time.Duration(at*d.oath.Period)*time.Second),
			totp.ValidateOpts{Period: uint(d.oath.Period), Digits: otp.Digits(d.oath.Digits), Algorithm: judges[d.oath.Algorithm]})
	}
	if err != nil {
		d.f.t.Fatal(err)
	}
	return code
}

// judges are pquerna/otp's names.
var judges = map[string]otp.Algorithm{mfa.SHA1: otp.AlgorithmSHA1, mfa.SHA256: otp.AlgorithmSHA256, mfa.SHA512: otp.AlgorithmSHA512}

// enable gives the device to an owner by the codes up to now.
func (d device) enable(owner string) {
	d.f.t.Helper()
	p, err := d.f.Prove(d.f.t.Context(), "", d.serial, d.code(-1), d.code(0))
	if err != nil {
		d.f.t.Fatal(err)
	}
	d.f.do(func(tx mfa.Tx) error { return d.f.Enable(tx, owner, d.serial, p) })
}

// tick moves the clock by steps.
func (f *fixture) tick(steps int) {
	f.now = f.now.Add(time.Duration(steps) * stepSeconds * time.Second)
}

func (d device) wants(want error, owner, code string) {
	d.f.t.Helper()
	if _, err := d.f.Verify(d.f.t.Context(), owner, d.serial, code); !errors.Is(err, want) {
		d.f.t.Errorf("Verify: %v, want %v", err, want)
	}
}

// wrong is no code that the device shows near now.
func (d device) wrong() string {
	for _, c := range []string{"000000", "111111", "222222", "333333"} {
		if !slices.Contains([]string{d.code(-2), d.code(-1), d.code(0), d.code(1), d.code(2)}, c) {
			return c
		}
	}
	panic("a device shows four codes of five at once")
}

// TestOnce: a code is good once, in its window, on any service over the store.
func TestOnce(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	bob, _ := f.kit.UserWithKey("bob")
	d := f.device("phone")
	d.wants(mfa.ErrDevice, ann.ID, d.code(0))
	d.wants(mfa.ErrDevice, "", d.code(0))
	d.enable(ann.ID)
	f.tick(10)
	d.wants(mfa.ErrDevice, bob.ID, d.code(0))
	d.wants(mfa.ErrCode, ann.ID, d.code(2))
	d.wants(mfa.ErrCode, ann.ID, d.code(-2))
	d.wants(mfa.ErrCode, ann.ID, "12345x")
	d.wants(nil, ann.ID, d.code(0))
	d.wants(mfa.ErrCode, ann.ID, d.code(0))
	d.wants(mfa.ErrCode, ann.ID, d.code(-1))
	f.restart()
	f.kit.Restart()
	f.restart()
	d.wants(mfa.ErrCode, ann.ID, d.code(0))
	f.tick(1)
	d.wants(nil, ann.ID, d.code(0))
}

// TestDrift: a device whose clock goes ahead is followed until it is two steps off,
// and from where it was resynchronized.
func TestDrift(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	d := f.device("phone")
	d.enable(ann.ID)
	follows := func(from int) {
		t.Helper()
		for _, ahead := range []int{from, from + 1, from + 2, from + 2} {
			f.tick(10)
			d.wants(nil, ann.ID, d.code(ahead))
		}
		f.tick(10)
		d.wants(mfa.ErrCode, ann.ID, d.code(from+3))
		d.wants(mfa.ErrCode, ann.ID, d.code(from-1))
		d.wants(nil, ann.ID, d.code(from))
	}
	follows(0)
	f.tick(10)
	p, err := f.Prove(t.Context(), ann.ID, d.serial, d.code(20), d.code(21))
	if err != nil {
		t.Fatal(err)
	}
	f.do(func(tx mfa.Tx) error { return f.Resync(tx, d.serial, p) })
	d.wants(mfa.ErrCode, ann.ID, d.code(21))
	d.wants(nil, ann.ID, d.code(22))
	follows(21)
}

// TestOldCodes: codes that are each a step older than the one before do not lead
// away: the third is too old, and a prompt one is good ever after.
func TestOldCodes(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	d := f.device("phone")
	d.enable(ann.ID)
	for old := 1; old <= 5; old++ {
		f.tick(10)
		want := error(nil)
		if old > 2 {
			want = mfa.ErrCode
		}
		d.wants(want, ann.ID, d.code(-old))
	}
	f.now = f.now.Add(time.Hour)
	d.wants(nil, ann.ID, d.code(0))
	f.tick(1)
	d.wants(nil, ann.ID, d.code(0))
}

// TestGuesses: however many guesses come at once, as many are looked at as may be;
// then each has to wait longer, until none is.
func TestGuesses(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	d := f.device("phone")
	d.enable(ann.ID)
	f.tick(1)
	looked, blocked := f.many(1000, func() error { _, err := f.Verify(t.Context(), ann.ID, d.serial, d.wrong()); return err })
	if looked != mfa.FreeFailures || blocked != 1000-mfa.FreeFailures {
		t.Errorf("%d guesses looked at, %d refused; want %d", looked, blocked, mfa.FreeFailures)
	}
	// The right code is not looked at either.
	var b *mfa.BlockedError
	if _, err := f.Verify(t.Context(), ann.ID, d.serial, d.code(0)); !errors.As(err, &b) || b.Locked || b.Wait != time.Second {
		t.Errorf("right code after the guesses: %v", err)
	}
	for i, wait := mfa.FreeFailures, time.Second; i < mfa.LockFailures; i, wait = i+1, 2*wait {
		f.now = f.now.Add(wait - time.Nanosecond)
		if looked, _ := f.many(20, func() error { _, err := f.Verify(t.Context(), ann.ID, d.serial, d.wrong()); return err }); looked != 0 {
			t.Errorf("%d guesses looked at before %v", looked, wait)
		}
		f.now = f.now.Add(time.Nanosecond)
		f.restart()
		if looked, _ := f.many(20, func() error { _, err := f.Verify(t.Context(), ann.ID, d.serial, d.wrong()); return err }); looked != 1 {
			t.Errorf("%d guesses looked at after %v", looked, wait)
		}
	}
	f.now = f.now.Add(365 * 24 * time.Hour)
	if _, err := f.Verify(t.Context(), ann.ID, d.serial, d.code(0)); !errors.As(err, &b) || !b.Locked {
		t.Errorf("right code for a locked device: %v", err)
	}
	p, err := f.Prove(t.Context(), ann.ID, d.serial, d.code(0), d.code(1))
	if err != nil {
		t.Fatal(err)
	}
	f.do(func(tx mfa.Tx) error { return f.Resync(tx, d.serial, p) })
	f.tick(2)
	d.wants(nil, ann.ID, d.code(0))
}

// many counts guesses that were looked at and found wrong, and that were not
// looked at.
func (f *fixture) many(n int, guess func() error) (looked, blocked int) {
	f.t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			err := guess()
			mu.Lock()
			defer mu.Unlock()
			switch b := (*mfa.BlockedError)(nil); {
			case errors.Is(err, mfa.ErrCode):
				looked++
			case errors.As(err, &b):
				blocked++
			default:
				f.t.Errorf("guess: %v", err)
			}
		})
	}
	all.Wait()
	return looked, blocked
}

// TestSameCodeAtOnce: of many who bring the right code, one gets through.
func TestSameCodeAtOnce(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	d := f.device("phone")
	d.enable(ann.ID)
	f.tick(5)
	code := d.code(0)
	var through sync.Map
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			if _, err := f.Verify(t.Context(), ann.ID, d.serial, code); err == nil {
				through.Store(i, true)
			}
		})
	}
	all.Wait()
	n := 0
	through.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d got through", n)
	}
}

// TestGuessesOfOneUser: more devices are not more guesses.
func TestGuessesOfOneUser(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	a, b := f.device("phone"), f.device("tablet")
	a.enable(ann.ID)
	b.enable(ann.ID)
	f.tick(5)
	for range mfa.FreeFailures {
		a.wants(mfa.ErrCode, ann.ID, a.wrong())
	}
	var blocked *mfa.BlockedError
	if _, err := f.Verify(t.Context(), ann.ID, b.serial, b.code(0)); !errors.As(err, &blocked) {
		t.Errorf("at another device: %v", err)
	}
	f.now = f.now.Add(time.Second)
	b.wants(nil, ann.ID, b.code(0))
	// Two wrong codes at once are counted too, and spent codes stay spent.
	_, err := f.Prove(t.Context(), ann.ID, a.serial, a.wrong(), a.wrong())
	refused(t, err, mfa.CodeInvalidCode)
	_, err = f.Prove(t.Context(), ann.ID, a.serial, a.code(0), a.code(1))
	refused(t, err, mfa.CodeInvalidCode)
	f.now = f.now.Add(10 * time.Second)
	if _, err = f.Prove(t.Context(), ann.ID, a.serial, a.code(0), a.code(1)); err != nil {
		t.Error(err)
	}
	_, err = f.Prove(t.Context(), ann.ID, a.serial, a.code(0), a.code(1))
	refused(t, err, mfa.CodeInvalidCode)
}

func refused(t testing.TB, err error, code string) {
	t.Helper()
	var e *iam.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("%v, want %s", err, code)
	}
}

// TestClockWentBack: failures that were counted while the machine's clock was wrong
// keep nobody out until that time comes, and later ones delay as ever.
func TestClockWentBack(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	d := f.device("phone")
	d.enable(ann.ID)
	was := f.now
	f.now = was.AddDate(20, 0, 0)
	for range mfa.FreeFailures {
		d.wants(mfa.ErrCode, ann.ID, d.wrong())
	}
	f.now = was.Add(time.Hour)
	d.wants(mfa.ErrCode, ann.ID, d.wrong())
	var b *mfa.BlockedError
	if _, err := f.Verify(t.Context(), ann.ID, d.serial, d.code(0)); !errors.As(err, &b) || b.Wait != 2*time.Second {
		t.Errorf("after one more: %v", err)
	}
	f.now = f.now.Add(2 * time.Second)
	d.wants(nil, ann.ID, d.code(0))
}
