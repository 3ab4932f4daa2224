package mfa_test

import (
	"bytes"
	"crypto"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"image/png"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
	"pgregory.net/rapid"

	"github.com/keyd-hsm/keyd/mfa"
)

var hashes = map[string]crypto.Hash{mfa.SHA1: crypto.SHA1, mfa.SHA256: crypto.SHA256, mfa.SHA512: crypto.SHA512}

// inToken is a device with a seed in the token, that is stored nowhere.
func (f *fixture) inToken(t interface{ Fatal(...any) }, kind string, o mfa.OATH, seed []byte) *mfa.Device {
	domain, wrapped, err := f.kit.Service.WrapSeed(f.t.Context(), hashes[o.Algorithm], seed)
	if err != nil {
		t.Fatal(err)
	}
	return &mfa.Device{Type: kind, OATH: &o, Domain: domain, Wrapped: wrapped}
}

// TestVectors: RFC 4226, appendix D, and RFC 6238, appendix B (with the seeds of its
// errata, as long as the hash), from seeds in the token.
func TestVectors(t *testing.T) {
	f := start(t)
	digits := func(n int) []byte { return []byte(strings.Repeat("1234567890", 7)[:n]) }
	for _, v := range []struct {
		oath  mfa.OATH
		seed  []byte
		codes map[int64][]string // from a counter on
	}{
		{mfa.OATH{Digits: 6, Algorithm: mfa.SHA1}, digits(20), map[int64][]string{
			0: {"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"},
		}},
		{mfa.OATH{Digits: 8, Algorithm: mfa.SHA1}, digits(20), map[int64][]string{
			59 / 30: {"94287082"}, 1111111109 / 30: {"07081804", "14050471"}, 1234567890 / 30: {"89005924"},
			2000000000 / 30: {"69279037"}, 20000000000 / 30: {"65353130"},
		}},
		{mfa.OATH{Digits: 8, Algorithm: mfa.SHA256}, digits(32), map[int64][]string{
			59 / 30: {"46119246"}, 1111111109 / 30: {"68084774", "67062674"}, 1234567890 / 30: {"91819424"},
			2000000000 / 30: {"90698825"}, 20000000000 / 30: {"77737706"},
		}},
		{mfa.OATH{Digits: 8, Algorithm: mfa.SHA512}, digits(64), map[int64][]string{
			59 / 30: {"90693936"}, 1111111109 / 30: {"25091201", "99943326"}, 1234567890 / 30: {"93441116"},
			2000000000 / 30: {"38618901"}, 20000000000 / 30: {"47863826"},
		}},
	} {
		d := f.inToken(t, mfa.TypeHOTP, v.oath, v.seed)
		for first, want := range v.codes {
			if got, err := f.CodesOf(t.Context(), d, first, first+int64(len(want))-1); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s from %d: %q %v, want %q", v.oath.Algorithm, first, got, err, want)
			}
		}
	}
}

// drawn is some device: its seed is of any length that may be imported, shorter and
// longer than the hash's block.
func drawn(rt *rapid.T) (o mfa.OATH, seed []byte) {
	return mfa.OATH{
		Digits:    rapid.SampledFrom([]int{6, 8}).Draw(rt, "digits"),
		Algorithm: rapid.SampledFrom([]string{mfa.SHA1, mfa.SHA256, mfa.SHA512}).Draw(rt, "algorithm"),
		Period:    rapid.SampledFrom([]int{30, 60}).Draw(rt, "period"),
	}, rapid.SliceOfN(rapid.Byte(), 16, 128).Draw(rt, "seed")
}

// TestAgreement: the token shows what pquerna/otp does, whatever the seed, the
// codes, the time and the counter.
func TestAgreement(t *testing.T) {
	f := start(t)
	rapid.Check(t, func(rt *rapid.T) {
		o, seed := drawn(rt)
		at := time.Unix(rapid.Int64Range(0, 1<<36).Draw(rt, "time"), 0)
		counter := rapid.Int64Range(0, 1<<53-2).Draw(rt, "counter")
		text := base32.StdEncoding.EncodeToString(seed)
		byTime, err := totp.GenerateCodeCustom(text, at,
			totp.ValidateOpts{Period: uint(o.Period), Digits: otp.Digits(o.Digits), Algorithm: judges[o.Algorithm]})
		if err != nil {
			rt.Fatal(err)
		}
		byCount, err := hotp.GenerateCodeCustom(text, uint64(counter), hotp.ValidateOpts{Digits: otp.Digits(o.Digits), Algorithm: judges[o.Algorithm]})
		if err != nil {
			rt.Fatal(err)
		}
		d := f.inToken(rt, mfa.TypeTOTP, o, seed)
		for step, want := range map[int64]string{at.Unix() / int64(o.Period): byTime, counter: byCount} {
			if got, err := f.CodesOf(t.Context(), d, step, step); err != nil || got[0] != want {
				rt.Errorf("at %d: %q %v, want %s", step, got, err, want)
			}
		}
	})
}

// TestOathtool: so does oathtool, of OATH Toolkit.
func TestOathtool(t *testing.T) {
	if _, err := exec.LookPath("oathtool"); err != nil {
		t.Fatalf("%v; scripts/setup installs it", err)
	}
	f := start(t)
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > 40 { // processes; rapid runs a check a hundred times
			return
		}
		o, seed := drawn(rt)
		digits := fmt.Sprintf("--digits=%d", o.Digits)
		at := time.Unix(rapid.Int64Range(0, 1<<35).Draw(rt, "time"), 0).UTC()
		counter := rapid.Int64Range(0, 1<<53-2).Draw(rt, "counter")
		d := f.inToken(rt, mfa.TypeTOTP, o, seed)
		ask := func(step int64, args ...string) {
			out, err := exec.CommandContext(t.Context(), "oathtool", append(args, digits, hex.EncodeToString(seed))...).CombinedOutput()
			if err != nil {
				rt.Fatalf("oathtool %v: %v\n%s", args, err, out)
			}
			if got, err := f.CodesOf(t.Context(), d, step, step); err != nil || got[0] != strings.TrimSpace(string(out)) {
				rt.Errorf("at %d: %q %v, oathtool %s", step, got, err, out)
			}
		}
		ask(at.Unix()/int64(o.Period), "--totp="+o.Algorithm, fmt.Sprintf("--time-step-size=%ds", o.Period), "--now="+at.Format("2006-01-02 15:04:05 UTC"))
		if o.Algorithm == mfa.SHA1 { // the one hash that oathtool counts with
			ask(counter, "--hotp", "--counter="+strconv.FormatInt(counter, 10))
		}
	})
}

// TestDraft: what is shown of a new device makes an app show the same codes, and
// what no device does is refused.
func TestDraft(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	for i, in := range []mfa.NewDevice{
		{},
		{Type: mfa.TypeTOTP, OATH: mfa.OATH{Digits: 8, Algorithm: mfa.SHA256, Period: 60}},
		{Type: mfa.TypeTOTP, OATH: mfa.OATH{Digits: 6, Algorithm: mfa.SHA512}},
		{Type: mfa.TypeHOTP, OATH: mfa.OATH{Digits: 8, Algorithm: mfa.SHA512}},
	} {
		in.Name = fmt.Sprintf("d%d", i)
		d, shown, err := f.Draft(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.Decode(bytes.NewReader(shown.PNG)); err != nil {
			t.Error(err)
		}
		key, err := otp.NewKeyFromURL(shown.URI)
		o := d.Codes()
		if err != nil || key.Secret() != string(shown.Base32) || key.Digits() != otp.Digits(o.Digits) || key.Algorithm() != judges[o.Algorithm] ||
			key.Type() != strings.ToLower(d.Kind()) || key.AccountName() != in.Name+"@"+f.Account || key.Issuer() != "keyd" {
			t.Errorf("%s of %+v: %v", shown.URI, o, err)
		}
		values := must(url.Parse(shown.URI))(t).Query()
		if d.Kind() == mfa.TypeHOTP && values.Get("counter") != "0" || d.Kind() == mfa.TypeTOTP && key.Period() != uint64(o.Period) {
			t.Error(shown.URI)
		}
		if seed := must(base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key.Secret()))(t); len(seed) != hashes[o.Algorithm].Size() {
			t.Errorf("seed of %d bytes for %s", len(seed), o.Algorithm)
		}
		if s := fmt.Sprintf("%v %+v %#v", shown, shown, shown); strings.Contains(s, key.Secret()) {
			t.Error("prints the seed")
		}
		f.do(func(tx mfa.Tx) error { return f.Create(tx, d) })
		f.now = f.now.Add(time.Hour)
		handed := device{f, d.Serial(), key.Secret(), d.Kind(), o}
		p := must(f.Prove(t.Context(), "", d.Serial(), handed.code(0), handed.code(1)))(t)
		f.do(func(tx mfa.Tx) error { return f.Enable(tx, ann.ID, d.Serial(), p) })
		handed.wants(nil, ann.ID, handed.code(2))
		if s := fmt.Sprintf("%v %+v %#v", in, in, in); strings.Contains(s, "Seed") {
			t.Error(s)
		}
	}
	for _, in := range []mfa.NewDevice{
		{Type: mfa.TypePIV}, {Type: "SMS"}, {OATH: mfa.OATH{Digits: 7}}, {OATH: mfa.OATH{Period: 45}}, {OATH: mfa.OATH{Algorithm: "MD5"}},
		{Type: mfa.TypeHOTP, OATH: mfa.OATH{Period: 30}}, {Counter: 1, Seed: make([]byte, 20)},
		{Type: mfa.TypeHOTP, Counter: -1, Seed: make([]byte, 20)}, {Type: mfa.TypeHOTP, Counter: 7},
	} {
		in.Name = "no"
		_, _, err := f.Draft(t.Context(), in)
		refused(t, err, mfa.CodeInvalidInput)
	}
}

// TestKinds: each kind of device with its own digits, hash and period.
func TestKinds(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	for i, o := range []mfa.OATH{
		{Digits: 8, Algorithm: mfa.SHA1, Period: 60}, {Digits: 6, Algorithm: mfa.SHA256, Period: 60}, {Digits: 8, Algorithm: mfa.SHA512, Period: 30},
	} {
		f.now = f.now.Add(time.Hour)
		d := f.make(mfa.NewDevice{Name: fmt.Sprintf("d%d", i), OATH: o, Seed: bytes.Repeat([]byte{byte(i), 7}, 50+i)})
		d.enable(ann.ID)
		f.now = f.now.Add(10 * time.Minute)
		d.wants(mfa.ErrCode, ann.ID, d.code(2))
		d.wants(mfa.ErrCode, ann.ID, d.code(0)[2:]) // as many digits as are shown
		d.wants(nil, ann.ID, d.code(1))
		d.wants(mfa.ErrCode, ann.ID, d.code(0))
		f.do(func(tx mfa.Tx) error { return f.Unlock(tx, ann.ID) })
	}
}

// TestCounter: a device that counts.
func TestCounter(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	d := f.make(mfa.NewDevice{Name: "fob", Type: mfa.TypeHOTP, Seed: []byte("12345678901234567890"), Counter: 5})
	_, err := f.Prove(t.Context(), "", d.serial, d.code(3), d.code(4)) // spent before it came here
	refused(t, err, mfa.CodeInvalidCode)
	_, err = f.Prove(t.Context(), "", d.serial, d.code(5), d.code(7))
	refused(t, err, mfa.CodeInvalidCode)
	p := must(f.Prove(t.Context(), "", d.serial, d.code(5), d.code(6)))(t)
	f.do(func(tx mfa.Tx) error { return f.Enable(tx, ann.ID, d.serial, p) })

	d.wants(mfa.ErrCode, ann.ID, d.code(6))
	d.wants(nil, ann.ID, d.code(7))
	d.wants(nil, ann.ID, d.code(8+mfa.LookAhead)) // the next, and ten that were not used
	for _, spent := range []int{7, 8, 17, 18} {
		d.wants(mfa.ErrCode, ann.ID, d.code(spent))
		f.now = f.now.Add(2 * time.Hour)
	}
	f.restart()
	f.kit.Restart()
	f.restart()
	d.wants(mfa.ErrCode, ann.ID, d.code(18))
	f.now = f.now.Add(2 * time.Hour)
	d.wants(mfa.ErrCode, ann.ID, d.code(19+mfa.LookAhead+1))
	f.now = f.now.Add(2 * time.Hour)
	d.wants(nil, ann.ID, d.code(19))

	resync := func(first int) (mfa.Pair, error) {
		return f.Prove(t.Context(), ann.ID, d.serial, d.code(first), d.code(first+1))
	}
	_, err = resync(20 + mfa.ResyncAhead)
	refused(t, err, mfa.CodeInvalidCode)
	p = must(resync(19 + mfa.ResyncAhead))(t)
	f.do(func(tx mfa.Tx) error { return f.Resync(tx, d.serial, p) })
	d.wants(mfa.ErrCode, ann.ID, d.code(20+mfa.ResyncAhead))
	d.wants(nil, ann.ID, d.code(21+mfa.ResyncAhead))

	// Whoever has it next finds the codes spent, too.
	f.do(func(tx mfa.Tx) error { return f.Deactivate(tx, ann.ID, d.serial) })
	_, err = f.Prove(t.Context(), "", d.serial, d.code(20+mfa.ResyncAhead), d.code(21+mfa.ResyncAhead))
	refused(t, err, mfa.CodeInvalidCode)
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
