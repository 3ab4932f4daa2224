package server_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/store"
)

// BenchmarkIdentities: what Encrypt costs does not grow with the number of users
// and roles: an appliance with 10 users and one with 100,000, and 10,000 roles,
// take turns, so that both see the same machine. The figure to look at is
// many/few. Run it with
//
//	go test ./server -run '^$' -bench '^BenchmarkIdentities$' -benchtime 5000x
func BenchmarkIdentities(b *testing.B) {
	few, many := crowded(b, 10, 1), crowded(b, 100_000, 10_000)
	timed := func(call func() error) float64 {
		before := time.Now()
		if err := call(); err != nil {
			b.Fatal(err)
		}
		return float64(time.Since(before))
	}
	var ofFew, ofMany []float64
	for b.Loop() {
		ofFew, ofMany = append(ofFew, timed(few)), append(ofMany, timed(many))
	}
	median := func(all []float64) float64 {
		slices.Sort(all)
		return all[len(all)/2]
	}
	b.ReportMetric(median(ofFew), "few-ns")
	b.ReportMetric(median(ofMany), "many-ns")
	b.ReportMetric(median(ofMany)/median(ofFew), "many/few")
}

// crowded is an appliance with so many identities; call is Encrypt by one of ten
// more, another at each call.
func crowded(b *testing.B, users, roles int) (call func() error) {
	b.Helper()
	kit := testkit.Start(b)
	key := kit.NewKey(region)
	for at := 0; at < max(users, roles); at += 1000 {
		kit.Update(func(tx store.Tx) error {
			for i := at; i < min(at+1000, users); i++ {
				if _, err := kit.Identities.CreateUser(tx, iam.NewUser{Name: fmt.Sprintf("crowd-%d", i), Path: "/"}); err != nil {
					return err
				}
			}
			for i := at; i < min(at+1000, roles); i++ {
				if _, err := kit.Identities.CreateRole(tx, iam.NewRole{Name: fmt.Sprintf("crowd-%d", i), Path: "/", Trust: trustRoot, MaxSession: 3600}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	callers := make([]*kms.Client, 10)
	for i := range callers {
		name := fmt.Sprintf("caller-%d", i)
		_, as := kit.UserWithKey(name)
		kit.Update(func(tx store.Tx) error {
			return kit.Identities.PutInlinePolicy(tx, iam.Holder{Kind: iam.KindUser, Name: name}, "p", *document(anyKMS))
		})
		callers[i] = kit.KMSWith(region, as)
	}
	turn := 0
	return func() error {
		turn++
		_, err := callers[turn%len(callers)].Encrypt(b.Context(), &kms.EncryptInput{KeyId: aws.String(key), Plaintext: []byte("m")})
		return err
	}
}
