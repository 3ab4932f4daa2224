package main

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/server/listen"
)

// BenchmarkEncrypt is the same load on a server in this process, so that a
// profile shows where the time goes: go test -bench Encrypt -cpuprofile cpu.
func BenchmarkEncrypt(b *testing.B) {
	kit := testkit.Start(b)
	l, err := listen.Open(listen.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx, kit.Server) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}()
	id := kit.NewKey("local-1")
	op := operation{call: func(ctx context.Context, c *kmsclient.Client) error {
		_, err := c.Encrypt(ctx, &kmsclient.EncryptInput{
			KeyId: &id, Plaintext: make([]byte, 32), EncryptionContext: map[string]string{"purpose": "bench"},
		})
		return err
	}, keyd: &daemon{vars: map[string]string{
		"AWS_ENDPOINT_URL": "http://" + l.Addr().String(), "AWS_REGION": "local-1",
		"AWS_ACCESS_KEY_ID": kit.Credentials.ID, "AWS_SECRET_ACCESS_KEY": string(kit.Credentials.Secret),
	}}}
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	before, err := cpuTime(os.Getpid())
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	var clients sync.WaitGroup
	for range 64 {
		clients.Go(func() {
			c, err := dial(ctx, l.Addr().String(), op.request)
			if err != nil {
				b.Error(err)
				return
			}
			defer c.close()
			for left.Add(-1) >= 0 {
				if err := c.roundTrip(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	b.StopTimer()
	after, err := cpuTime(os.Getpid())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64((after-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}
