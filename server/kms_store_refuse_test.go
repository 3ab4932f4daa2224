package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

// TestCustomKeyStoreMoves: a store with keys moves only to a token that has them.
func TestCustomKeyStoreMoves(t *testing.T) {
	first, other := testkit.NewCluster(t, firstCluster), testkit.NewCluster(t, secondCluster)
	const twin = "cluster-ccccccccccc"
	same := *first
	same.ID = twin
	kit := testkit.Start(t, testkit.WithClusters(first, other, &same))
	s := &stored{t: t, Kit: kit, c: kit.KMS(region), cluster: first}
	s.store = *must(s.c.CreateCustomKeyStore(t.Context(), &kms.CreateCustomKeyStoreInput{
		CustomKeyStoreName: new("second"), CloudHsmClusterId: &first.ID, KeyStorePassword: &first.PIN,
	})).CustomKeyStoreId
	move := func(to string) error { return s.update(kms.UpdateCustomKeyStoreInput{CloudHsmClusterId: &to}) }
	s.ok("an empty store to another token", move(secondCluster))
	s.ok("and back", move(firstCluster))
	s.ok("connect", s.connect())
	refused(t, "while connected", move(twin), "CustomKeyStoreInvalidStateException", "must be DISCONNECTED")
	id := must(s.newKey())
	s.ok("disconnect", s.disconnect())
	refused(t, "to a token without the key", move(secondCluster), "CloudHsmClusterNotRelatedException", id)
	refused(t, "to no token", move("cluster-ddddddddddd"), "CloudHsmClusterNotFoundException", "not in the configuration")
	s.ok("to a token with the key", move(twin))
	s.ok("name", s.update(kms.UpdateCustomKeyStoreInput{NewCustomKeyStoreName: new("renamed")}))
	s.ok("connect", s.connect())
	must(s.c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: []byte("m")}))
	if e := s.described(); *e.CustomKeyStoreName != "renamed" || *e.CloudHsmClusterId != twin {
		t.Errorf("described as %+v", e)
	}
}

// TestCustomKeyStoreRefuses provokes what else the operations refuse.
func TestCustomKeyStoreRefuses(t *testing.T) {
	first, second := testkit.NewCluster(t, firstCluster), testkit.NewCluster(t, secondCluster)
	anchor := certificate(t)
	kit := testkit.Start(t, testkit.WithClusters(first, second), testkit.WithTrustAnchor(secondCluster, anchor))
	c, ctx := kit.KMS(region), t.Context()
	create := func(in kms.CreateCustomKeyStoreInput) (string, error) {
		if in.CustomKeyStoreName == nil {
			in.CustomKeyStoreName = new("a")
		}
		if in.KeyStorePassword == nil {
			in.KeyStorePassword = &first.PIN
		}
		out, err := c.CreateCustomKeyStore(ctx, &in)
		if err != nil {
			return "", err
		}
		return *out.CustomKeyStoreId, nil
	}
	id := must(create(kms.CreateCustomKeyStoreInput{CloudHsmClusterId: &first.ID}))
	for name, tc := range map[string]struct {
		in         kms.CreateCustomKeyStoreInput
		code, text string
	}{
		"no cluster":      {kms.CreateCustomKeyStoreInput{}, "ValidationException", "CloudHsmClusterId"},
		"unknown cluster": {kms.CreateCustomKeyStoreInput{CloudHsmClusterId: new("cluster-ddddddddddd")}, "CloudHsmClusterNotFoundException", "configuration"},
		"cluster in use":  {kms.CreateCustomKeyStoreInput{CloudHsmClusterId: &first.ID, CustomKeyStoreName: new("b")}, "CloudHsmClusterInUseException", first.ID},
		"name in use":     {kms.CreateCustomKeyStoreInput{CloudHsmClusterId: &second.ID, TrustAnchorCertificate: &anchor}, "CustomKeyStoreNameInUseException", "a"},
		"no anchor":       {kms.CreateCustomKeyStoreInput{CloudHsmClusterId: &second.ID}, "IncorrectTrustAnchorException", second.ID},
		"other anchor":    {kms.CreateCustomKeyStoreInput{CloudHsmClusterId: &second.ID, TrustAnchorCertificate: new(certificate(t))}, "IncorrectTrustAnchorException", second.ID},
		"external":        {kms.CreateCustomKeyStoreInput{CustomKeyStoreType: types.CustomKeyStoreTypeExternalKeyStore}, "UnsupportedOperationException", "EXTERNAL_KEY_STORE"},
		"short password":  {kms.CreateCustomKeyStoreInput{CloudHsmClusterId: &first.ID, KeyStorePassword: new("1234")}, "ValidationException", "keyStorePassword"},
	} {
		_, err := create(tc.in)
		refused(t, name, err, tc.code, tc.text)
	}
	must(c.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: &id}))
	for name, tc := range map[string]struct {
		in         kms.CreateKeyInput
		code, text string
	}{
		"unknown store":    {kms.CreateKeyInput{CustomKeyStoreId: new("cks-0")}, "CustomKeyStoreNotFoundException", "cks-0"},
		"no store":         {kms.CreateKeyInput{}, "ValidationException", "CustomKeyStoreId"},
		"another origin":   {kms.CreateKeyInput{CustomKeyStoreId: &id, Origin: types.OriginTypeAwsKms}, "ValidationException", "AWS_CLOUDHSM"},
		"HMAC key":         {kms.CreateKeyInput{CustomKeyStoreId: &id, KeySpec: types.KeySpecHmac256, KeyUsage: types.KeyUsageTypeGenerateVerifyMac}, "UnsupportedOperationException", "symmetric"},
		"multi-Region key": {kms.CreateKeyInput{CustomKeyStoreId: &id, MultiRegion: new(true)}, "UnsupportedOperationException", "one Region"},
		"XKS":              {kms.CreateKeyInput{CustomKeyStoreId: &id, Origin: types.OriginTypeExternalKeyStore}, "UnsupportedOperationException", "EXTERNAL_KEY_STORE"},
	} {
		if tc.in.Origin == "" {
			tc.in.Origin = types.OriginTypeAwsCloudhsm
		}
		_, err := c.CreateKey(ctx, &tc.in)
		refused(t, name, err, tc.code, tc.text)
	}
	const none = "cks-00000000000000000"
	_, err := c.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: new(none)})
	refused(t, "connect none", err, "CustomKeyStoreNotFoundException", none)
	_, err = c.DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: new(none)})
	refused(t, "disconnect none", err, "CustomKeyStoreNotFoundException", none)
	_, err = c.UpdateCustomKeyStore(ctx, &kms.UpdateCustomKeyStoreInput{CustomKeyStoreId: new(none), NewCustomKeyStoreName: new("x")})
	refused(t, "update none", err, "CustomKeyStoreNotFoundException", none)
	_, err = c.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{CustomKeyStoreId: new(none)})
	refused(t, "describe none", err, "CustomKeyStoreNotFoundException", none)
	_, err = c.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: new(int32(1)), CustomKeyStoreId: new(none)})
	refused(t, "random from none", err, "CustomKeyStoreNotFoundException", none)
	must(c.DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: &id}))
	_, err = c.DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: &id})
	refused(t, "disconnect twice", err, "CustomKeyStoreInvalidStateException", "is DISCONNECTED already")
}

// TestCustomKeyStoreSameToken: two stores never share a token, whatever the
// configuration calls it.
func TestCustomKeyStoreSameToken(t *testing.T) {
	first := testkit.NewCluster(t, firstCluster)
	again := *first
	again.ID = secondCluster
	kit := testkit.Start(t, testkit.WithClusters(first, &again))
	c, ctx := kit.KMS(region), t.Context()
	connect := func(cluster string) error {
		st := must(c.CreateCustomKeyStore(ctx, &kms.CreateCustomKeyStoreInput{
			CustomKeyStoreName: &cluster, CloudHsmClusterId: &cluster, KeyStorePassword: &first.PIN,
		}))
		_, err := c.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: st.CustomKeyStoreId})
		return err
	}
	if err := connect(firstCluster); err != nil {
		t.Fatal(err)
	}
	refused(t, "the same token", connect(secondCluster), "CloudHsmClusterInvalidConfigurationException", "is that of custom key store")
}

// TestCustomKeyStorePages: stores are listed by pages, by id and by name, in their
// region only.
func TestCustomKeyStorePages(t *testing.T) {
	clusters := make([]*testkit.Cluster, 11)
	clusters[0] = testkit.NewCluster(t, firstCluster)
	for i := 1; i < len(clusters); i++ {
		clusters[i] = &testkit.Cluster{ID: fmt.Sprintf("cluster-%s", strings.Repeat(string(rune('b'+i)), 11)), Away: true}
	}
	kit := testkit.Start(t, testkit.WithClusters(clusters...))
	c, ctx := kit.KMS(region), t.Context()
	var want []string
	create := func(i int) error {
		out, err := c.CreateCustomKeyStore(ctx, &kms.CreateCustomKeyStoreInput{
			CustomKeyStoreName: new(fmt.Sprint("store ", i)), CloudHsmClusterId: &clusters[i].ID, KeyStorePassword: new("password"),
		})
		if err == nil {
			want = append(want, *out.CustomKeyStoreId)
		}
		return err
	}
	for i := range 10 {
		if err := create(i); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, "eleventh", create(10), "LimitExceededException", "at most 10")
	slices.Sort(want)
	for limit := int32(1); limit <= 11; limit++ {
		var got []string
		p := kms.NewDescribeCustomKeyStoresPaginator(c, &kms.DescribeCustomKeyStoresInput{Limit: &limit})
		for p.HasMorePages() {
			for _, e := range must(p.NextPage(ctx)).CustomKeyStores {
				got = append(got, *e.CustomKeyStoreId)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v", limit, got)
		}
	}
	out := must(c.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{CustomKeyStoreName: new("store 3")}))
	if len(out.CustomKeyStores) != 1 || *out.CustomKeyStores[0].CloudHsmClusterId != clusters[3].ID {
		t.Errorf("by name: %+v", out.CustomKeyStores)
	}
	_, err := c.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{CustomKeyStoreName: new("none")})
	refused(t, "by a name of none", err, "CustomKeyStoreNotFoundException", "none")
	_, err = c.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{CustomKeyStoreName: new("a"), CustomKeyStoreId: new("b")})
	refused(t, "by both", err, "ValidationException", "not both")
	_, err = c.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{Marker: new("x")})
	refused(t, "marker", err, "InvalidMarkerException", "marker")
	if l := must(kit.KMS("eu-2").DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{})); len(l.CustomKeyStores) != 0 {
		t.Errorf("in another region: %d", len(l.CustomKeyStores))
	}
}

// certificate makes a self-signed certificate, in PEM.
func certificate(t *testing.T) string {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
