// Command bench measures keyd: how many requests it answers, how soon, and how
// that compares with the least an HTTP server must do.
//
//	bench -keyd bin/keyd -dir bin
//
// The floor is a net/http handler that reads the body and answers as many bytes
// as keyd does; it gets the very requests that keyd gets. Floor and keyd are
// processes of their own, loaded by the same client in turns, so that a machine
// that is busy now and then is so for both. Every figure is the median of the
// rounds, a ratio the median of what each round's neighbours gave.
//
// keyd does all of its work: signature, gate, a SoftHSM2 token, an audit record
// synced to the disk under -dir before each answer.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// mark is the share of the floor that Encrypt must reach with many connections.
const mark = 0.35

type options struct {
	keyd   string        // path of the program
	dir    string        // where the data directory goes, for as long as it runs
	rounds int           // how often all is measured
	each   time.Duration // how long one measurement lasts
	many   int           // connections, beside 1
	keys   int           // how many an appliance of its own is filled with; 0: none
	only   string        // name of the one operation to measure; empty: all, and the token
	out    io.Writer
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == floorCommand {
		exit(serveFloor(os.Stdin, os.Stdout))
	}
	o := options{out: os.Stdout}
	flag.StringVar(&o.keyd, "keyd", "bin/keyd", "the keyd `program` to measure")
	flag.StringVar(&o.dir, "dir", ".", "`directory` on the disk to measure; what is made there is removed")
	flag.IntVar(&o.rounds, "rounds", 5, "`times` that everything is measured")
	flag.DurationVar(&o.each, "each", time.Second, "`duration` of each measurement")
	flag.IntVar(&o.many, "connections", 64, "`number` of connections, beside one")
	flag.IntVar(&o.keys, "keys", 100_000, "`number` of keys to fill an appliance with, after the rest; 0 for none")
	flag.StringVar(&o.only, "only", "", "the one `operation` to measure, with many connections, as in Encrypt")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run measures and prints.
func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp(o.dir, "bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	disk, err := filesystem(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "%d CPUs; audit log on %s; %d rounds of %v\n\n", cpus(), disk, o.rounds, o.each)

	raw, err := openToken(ctx, filepath.Join(dir, "token"))
	if err != nil {
		return err
	}
	defer func() { err = join(err, raw.Close) }()
	floor, err := startFloor()
	if err != nil {
		return err
	}
	defer func() { err = join(err, floor.stop) }()
	keyd, err := startKeyd(ctx, o.keyd, filepath.Join(dir, "data"))
	if err != nil {
		return err
	}
	defer func() { err = join(err, keyd.stop) }()
	ops, err := operations(ctx, keyd)
	if err != nil {
		return err
	}
	if o.only != "" {
		ops = slices.DeleteFunc(ops, func(op operation) bool { return op.name != o.only })
	}
	if len(ops) == 0 {
		return fmt.Errorf("operation %q: it is not one of those measured", o.only)
	}
	b := bench{options: o, floor: floor.endpoint, keyd: keyd.endpoint, ops: ops, raw: raw}
	for range o.rounds {
		if err := b.round(ctx); err != nil {
			return err
		}
	}
	if err := b.print(o.out); err != nil || o.keys == 0 || o.only != "" {
		return err
	}
	report, err := measureKeys(ctx, o, filepath.Join(dir, "keys"))
	if err != nil {
		return fmt.Errorf("with %d keys: %w", o.keys, err)
	}
	return report.print(o.out)
}

// A bench is a run under way.
type bench struct {
	options
	floor, keyd endpoint
	ops         []operation
	raw         *rawToken
	table       table
}

// round measures everything once: each operation right after its floor.
func (b *bench) round(ctx context.Context) error {
	for _, connections := range b.connections() {
		var floor sample
		for _, op := range b.ops {
			var err error
			if floor, err = load(ctx, b.floor.target(ctx, op.floorRequest), connections, b.each); err != nil {
				return fmt.Errorf("floor of %s: %w", op.name, err)
			}
			keyd, err := load(ctx, b.keyd.target(ctx, op.request), connections, b.each)
			if err != nil {
				return fmt.Errorf("%s: %w", op.name, err)
			}
			b.table.add("floor of "+op.name, connections, floor, floor)
			b.table.add(op.name, connections, keyd, floor)
		}
		if b.only != "" {
			continue
		}
		for _, op := range b.raw.operations() {
			s, err := load(ctx, op.target(ctx), connections, b.each/2)
			if err != nil {
				return fmt.Errorf("token, %s: %w", op.name, err)
			}
			b.table.add("token: "+op.name, connections, s, floor)
		}
	}
	return nil
}

func (b *bench) connections() []int {
	if b.only != "" {
		return []int{b.many}
	}
	return []int{1, b.many}
}
