package server_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyd-hsm/keyd/internal/testkit"
	keydkms "github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/store"
)

// BenchmarkGrants: neither Encrypt nor a page of ListGrants costs more with
// 50,000 grants on a key than with 10. Half of the grants are to the caller, with
// constraints, of which one fits. The figure to look at is many/few. Run it with
//
//	go test ./server -run '^$' -bench '^BenchmarkGrants$' -benchtime 5000x
func BenchmarkGrants(b *testing.B) {
	few, many := granted(b, 10), granted(b, 50_000)
	timed := func(call func() error) float64 {
		before := time.Now()
		if err := call(); err != nil {
			b.Fatal(err)
		}
		return float64(time.Since(before))
	}
	for _, call := range []string{"Encrypt", "ListGrants"} {
		b.Run(call, func(b *testing.B) {
			var ofFew, ofMany []float64
			for b.Loop() { // in turns, and each first in turn, so that both see the same machine
				if len(ofFew)%2 == 0 {
					ofFew, ofMany = append(ofFew, timed(few[call])), append(ofMany, timed(many[call]))
				} else {
					ofMany, ofFew = append(ofMany, timed(many[call])), append(ofFew, timed(few[call]))
				}
			}
			median := func(all []float64) float64 {
				slices.Sort(all)
				return all[len(all)/2]
			}
			b.ReportMetric(median(ofFew), "few-ns")
			b.ReportMetric(median(ofMany), "many-ns")
			b.ReportMetric(median(ofMany)/median(ofFew), "many/few")
		})
	}
}

// granted is an appliance with so many grants on a key, and the calls on it.
func granted(b *testing.B, grants int) map[string]func() error {
	b.Helper()
	kit := testkit.Start(b)
	key := kit.NewKey(region)
	ann, as := kit.UserWithKey("ann")
	for at := 0; at < grants; at += 1000 {
		kit.Update(func(tx store.Tx) error {
			for i := at; i < min(at+1000, grants); i++ {
				k, err := kit.Service.KeyByID(b.Context(), tx, region, key)
				if err != nil {
					return err
				}
				n := keydkms.NewGrant{Grantee: fmt.Sprintf("arn:aws:sts::111122223333:federated-user/u%d", i), Issuer: testkit.Account}
				n.Operations = []string{"Encrypt", "Decrypt"}
				if i%2 == 0 {
					n.Grantee = ann.ID
					n.Subset = map[string]string{"application": "one that all share", "id": fmt.Sprint(i)}
				}
				if _, _, err := kit.Service.CreateGrant(tx, k, n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	caller, root := kit.KMSWith(region, as), kit.KMS(region)
	return map[string]func() error{
		"Encrypt": func() error {
			_, err := caller.Encrypt(b.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("m"), EncryptionContext: map[string]string{
				"application": "one that all share", "id": "4",
			}})
			return err
		},
		"ListGrants": func() error {
			out, err := root.ListGrants(b.Context(), &kms.ListGrantsInput{KeyId: &key, Limit: aws.Int32(10)})
			if err == nil && len(out.Grants) != 10 {
				err = fmt.Errorf("%d grants", len(out.Grants))
			}
			return err
		},
	}
}
