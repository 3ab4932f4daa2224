package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyd-hsm/keyd/internal/term"
)

// Marks for an appliance with many keys.
const (
	keysStart  = 2 * time.Second // until it is ready
	keysMemory = 400 << 20       // resident, in bytes
	keysMix    = 0.8             // of the rate with few keys
)

const (
	fewKeys = 10
	// zipfExponent skews the mix: with 100,000 keys the first ten get four of ten
	// requests, and one in six goes beyond the first 4,096.
	zipfExponent = 1.1
	// mixedRequests is how many are signed for a mix; each connection begins at
	// another. A signature is good for five minutes, and so is the mix.
	mixedRequests = 200_000
	// warmMix is how many measurements' time the mix runs before it is measured.
	warmMix = 15
)

// keysReport is what an appliance with many keys was seen to do.
type keysReport struct {
	keys          int
	create        float64 // a second
	page          time.Duration
	start         time.Duration
	resident      int64   // after start-up
	residentAfter int64   // after the mix
	mix           float64 // of the rate with few keys
}

// measureKeys fills an appliance with keys through its API, starts it again, and
// compares Encrypt with a few of the keys and with a Zipf mix of all.
func measureKeys(ctx context.Context, o options, dir string) (r keysReport, err error) {
	r.keys = o.keys
	keyd, err := startKeyd(ctx, o.keyd, dir)
	if err != nil {
		return r, err
	}
	begin := time.Now()
	ids, err := fill(ctx, keyd, o.keys, o.many)
	r.create = float64(len(ids)) / time.Since(begin).Seconds()
	if err == nil {
		r.page, err = pages(ctx, keyd, len(ids))
	}
	if err := join(err, keyd.stop); err != nil {
		return r, err
	}
	begin = time.Now()
	if keyd, err = startKeyd(ctx, o.keyd, dir); err != nil {
		return r, err
	}
	r.start = time.Since(begin)
	defer func() { err = join(err, keyd.stop) }()
	if r.resident, err = resident(keyd.pid); err != nil {
		return r, err
	}
	if r.mix, err = compareMixes(ctx, o, keyd, ids); err != nil {
		return r, err
	}
	r.residentAfter, err = resident(keyd.pid)
	return r, err
}

// fill makes keys, as many at a time as there are workers.
func fill(ctx context.Context, d *daemon, keys, workers int) ([]string, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: workers}
	defer transport.CloseIdleConnections()
	client := d.client((&http.Client{Transport: transport}).Do)
	var (
		group sync.WaitGroup
		next  atomic.Int64
		ids   = make([]string, keys)
		errs  = make([]error, workers)
	)
	for w := range workers {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= keys {
					return
				}
				key, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
				if err != nil {
					errs[w] = err
					return
				}
				ids[i] = *key.KeyMetadata.KeyId
			}
		})
	}
	done := progress(os.Stderr, "keys", keys, func() int { return min(keys, int(next.Load())) })
	group.Wait()
	done()
	return ids, errors.Join(errs...)
}

// progress tells on a terminal, until done is called, how far a long work is.
func progress(w io.Writer, what string, of int, now func() int) (done func()) {
	if !term.Is(w) {
		return func() {}
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				fmt.Fprint(w, "\r\033[K")
				return
			case <-tick.C:
				fmt.Fprintf(w, "\r%d of %d %s", now(), of, what)
			}
		}
	}()
	return func() {
		close(stop)
		<-ended
	}
}

// pages walks the list of keys and returns the median time of a page of 1,000.
func pages(ctx context.Context, d *daemon, want int) (time.Duration, error) {
	var took []float64
	seen := 0
	list := kms.NewListKeysPaginator(d.client(nil), &kms.ListKeysInput{Limit: aws.Int32(1000)})
	for list.HasMorePages() {
		begin := time.Now()
		page, err := list.NextPage(ctx)
		if err != nil {
			return 0, err
		}
		took = append(took, float64(time.Since(begin)))
		seen += len(page.Keys)
	}
	if seen != want {
		return 0, fmt.Errorf("ListKeys: %d keys of %d", seen, want)
	}
	return time.Duration(median(took)), nil
}

// compareMixes measures Encrypt with few keys and with all, in turns.
func compareMixes(ctx context.Context, o options, d *daemon, ids []string) (float64, error) {
	few, err := signMix(ctx, d, mixedRequests/100, func() string { return ids[rand.IntN(fewKeys)] }) //nolint:gosec // G404: a load, not a secret
	if err != nil {
		return 0, err
	}
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), zipfExponent, 1, uint64(len(ids)-1)) //nolint:gosec // G404: the same mix in each run
	all, err := signMix(ctx, d, mixedRequests, func() string { return ids[zipf.Uint64()] })
	if err != nil {
		return 0, err
	}
	// So that caches hold what they would after some minutes.
	if _, err := load(ctx, d.mixed(ctx, all), o.many, warmMix*o.each); err != nil {
		return 0, err
	}
	var ratios []float64
	for range o.rounds {
		base, err := load(ctx, d.mixed(ctx, few), o.many, o.each)
		if err != nil {
			return 0, err
		}
		mixed, err := load(ctx, d.mixed(ctx, all), o.many, o.each)
		if err != nil {
			return 0, err
		}
		ratios = append(ratios, mixed.perSecond/base.perSecond)
	}
	return median(ratios), nil
}

// signMix makes n signed requests of Encrypt, each with a key that pick names.
func signMix(ctx context.Context, d *daemon, n int, pick func() string) ([][]byte, error) {
	requests := make([][]byte, n)
	for i := range requests {
		in := &kms.EncryptInput{KeyId: aws.String(pick()), Plaintext: make([]byte, 32)}
		op := operation{name: "Encrypt", keyd: d, call: func(ctx context.Context, c *kms.Client) error {
			_, err := c.Encrypt(ctx, in)
			return err
		}}
		var err error
		if requests[i], err = op.request(ctx); err != nil {
			return nil, err
		}
	}
	return requests, nil
}

// mixed is the endpoint loaded with requests in turn.
func (e endpoint) mixed(ctx context.Context, requests [][]byte) target {
	return target{e.pid, func() (func() error, func(), error) {
		c, err := dial(ctx, e.addr, func(context.Context) ([]byte, error) { return requests[0], nil })
		if err != nil {
			return nil, nil, err
		}
		at := rand.IntN(len(requests)) //nolint:gosec // G404: a load, not a secret
		return func() error {
			at = (at + 1) % len(requests)
			c.bytes = requests[at]
			return c.roundTrip()
		}, c.close, nil
	}}
}

// print writes what was found, each figure with its mark.
func (r keysReport) print(w io.Writer) error {
	met := func(ok bool, mark string) string {
		if ok {
			return "met: " + mark
		}
		return "NOT met: " + mark
	}
	megabytes := func(n int64) string { return strconv.FormatInt(n>>20, 10) + " MB" }
	fmt.Fprintln(w)
	out := term.NewTable(fmt.Sprintf("WITH %d KEYS", r.keys), "", "MARK")
	out.Row("CreateKey", strconv.Itoa(int(r.create))+" a second", "")
	out.Row("ListKeys, a page of 1,000", microseconds(r.page), "")
	out.Row("start-up", r.start.Round(time.Millisecond).String(), met(r.start <= keysStart, "2 s or less"))
	out.Row("memory after start-up", megabytes(r.resident), met(r.resident <= keysMemory, "400 MB or less"))
	out.Row("memory after a mix of all", megabytes(r.residentAfter), met(r.residentAfter <= keysMemory, "400 MB or less"))
	out.Row("Encrypt, Zipf mix of all", fmt.Sprintf("%.2f of the rate with %d keys", r.mix, fewKeys), met(r.mix >= keysMix, "0.80 or better"))
	return out.Write(w, term.StyleOf(w))
}

// resident is the memory of a process, VmRSS of /proc/PID/status, in bytes.
func resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	i := slices.Index(fields, "VmRSS:")
	if i < 0 || i+1 >= len(fields) {
		return 0, fmt.Errorf("/proc/%d/status: no VmRSS", pid)
	}
	kilobytes, err := strconv.ParseInt(fields[i+1], 10, 64)
	return kilobytes << 10, err
}
