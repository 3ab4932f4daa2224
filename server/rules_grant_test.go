package server_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/policy"
	"github.com/keyd-hsm/keyd/store"
)

const (
	opsARN     = "arn:aws:iam::111122223333:role/team/ops"
	sessionARN = "arn:aws:sts::111122223333:assumed-role/ops/s1"
	encryptOp  = types.GrantOperationEncrypt
	decryptOp  = types.GrantOperationDecrypt
	grantOp    = types.GrantOperationCreateGrant
	retireOp   = types.GrantOperationRetireGrant
	describeOp = types.GrantOperationDescribeKey
)

// grantBy makes a grant on the key in somebody's name.
func (r *ruled) grantBy(as aws.CredentialsProvider, grantee string, change func(*kms.CreateGrantInput), operations ...types.GrantOperation) (*kms.CreateGrantOutput, error) {
	in := &kms.CreateGrantInput{KeyId: &r.key, GranteePrincipal: &grantee, Operations: operations}
	if change != nil {
		change(in)
	}
	return r.KMSWith(region, as).CreateGrant(context.Background(), in)
}

// grant makes a grant as root.
func (r *ruled) grant(grantee string, change func(*kms.CreateGrantInput), operations ...types.GrantOperation) *kms.CreateGrantOutput {
	r.t.Helper()
	return must(r.grantBy(r.root(), grantee, change, operations...))
}

func (r *ruled) revoke(as aws.CredentialsProvider, id *string) error {
	return second(r.KMSWith(region, as).RevokeGrant(r.t.Context(), &kms.RevokeGrantInput{KeyId: &r.key, GrantId: id}))
}

func (r *ruled) retire(as aws.CredentialsProvider, token *string) error {
	return second(r.KMSWith(region, as).RetireGrant(r.t.Context(), &kms.RetireGrantInput{GrantToken: token}))
}

func (r *ruled) describe(as aws.CredentialsProvider) error {
	return second(r.KMSWith(region, as).DescribeKey(r.t.Context(), &kms.DescribeKeyInput{KeyId: &r.key}))
}

func (r *ruled) encryptWith(as aws.CredentialsProvider, context map[string]string) error {
	return second(r.KMSWith(region, as).Encrypt(r.t.Context(), &kms.EncryptInput{KeyId: &r.key, Plaintext: []byte("m"), EncryptionContext: context}))
}

// equals and subset constrain a grant.
func equals(context map[string]string) func(*kms.CreateGrantInput) {
	return func(in *kms.CreateGrantInput) {
		in.Constraints = &types.GrantConstraints{EncryptionContextEquals: context}
	}
}

func subset(context map[string]string) func(*kms.CreateGrantInput) {
	return func(in *kms.CreateGrantInput) {
		in.Constraints = &types.GrantConstraints{EncryptionContextSubset: context}
	}
}

func retiredBy(principal string) func(*kms.CreateGrantInput) {
	return func(in *kms.CreateGrantInput) { in.RetiringPrincipal = &principal }
}

// TestGrantRules: section 7 over the wire.
func TestGrantRules(t *testing.T) {
	t.Run("7.1 one key, one grantee, some operations", testGrantAllows)
	t.Run("7.2 grantees", testGrantees)
	t.Run("7.2 account grantee", func(t *testing.T) {
		r := startRuled(t)
		r.grant(rootARN, nil, encryptOp)
		r.keySays(r.key, toKey("Allow", "arn:aws:iam::111122223333:user/nobody"))
		r.denied("without an identity policy", r.encrypt(r.ann), byIdentity+"kms:Encrypt action")
		r.annMay(anyKMS)
		r.allowed("with one", r.encrypt(r.ann))
		r.allowed("root needs none", r.encrypt(r.root()))
	})
	t.Run("7.3 denies win, limits hold", testGrantLimits)
	t.Run("7.4 constraints", testGrantConstraints)
	t.Run("7.5 grants by a grant", testChildGrants)
	t.Run("7.6 name and tokens", testGrantTokens)
	t.Run("7.7 who may retire", testRetire)
	t.Run("7.8 rights of the other operations", testGrantRights)
	t.Run("7.8 a key's grants go with it", testGrantsGo)
	t.Run("7.9 conditions on CreateGrant", testGrantConditions)
}

func testGrantAllows(t *testing.T) {
	r := startRuled(t)
	other := r.NewKey(region)
	r.denied("before", r.encrypt(r.ann), byIdentity+"kms:Encrypt action")
	r.grant(annARN, nil, encryptOp)
	r.allowed("granted", r.encrypt(r.ann))
	r.denied("another operation", r.describe(r.ann), byIdentity+"kms:DescribeKey action")
	r.denied("another key", second(r.KMSWith(region, r.ann).Encrypt(t.Context(), &kms.EncryptInput{KeyId: &other, Plaintext: []byte("m")})), byIdentity)
	_, bob := r.UserWithKey("bob")
	r.denied("somebody else", r.encrypt(bob), byIdentity)
	must(r.KMS(region).CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/a"), TargetKeyId: &r.key}))
	_, err := r.grantBy(r.root(), annARN, func(in *kms.CreateGrantInput) { in.KeyId = aws.String("alias/a") }, encryptOp)
	refused(t, "by alias", err, "NotFoundException", "Invalid keyId 'alias/a'")
	r.allowed("and by the key policy still", r.encrypt(r.root()))
}

func testGrantees(t *testing.T) {
	r := startRuled(t)
	r.opsMay(`{"Effect":"Allow","Action":"iam:*","Resource":"*"}`)
	r.annMay(`{"Effect":"Allow","Action":"sts:*","Resource":"*"}`)
	session := r.session("")
	for what, grantee := range map[string]string{"role": opsARN, "session": sessionARN} {
		r.denied(what+" before", r.encrypt(session), byIdentity)
		g := r.grant(grantee, nil, encryptOp)
		r.allowed(what, r.encrypt(session))
		shown := must(r.KMS(region).ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &r.key, GranteePrincipal: &grantee})).Grants
		if len(shown) != 1 || *shown[0].GranteePrincipal != grantee {
			t.Errorf("%s shown as %+v", what, shown)
		}
		r.allowed("revoke", r.revoke(r.root(), g.GrantId))
	}
	g := r.grant("arn:aws:sts::111122223333:federated-user/guest", nil, encryptOp)
	r.allowed("federated user", r.encrypt(r.federated("")))
	r.denied("not the user behind", r.encrypt(r.ann), byIdentity)
	r.allowed("revoke", r.revoke(r.root(), g.GrantId))
	for _, nobody := range []string{
		annARN + "x", opsARN + "x", "arn:aws:iam::111122223333:role/ops", "arn:aws:iam::111122223333:group/g", "sns.amazonaws.com",
		"arn:aws:sts::111122223333:assumed-role/none/s1", "arn:aws:sts::111122223333:assumed-role/ops/s", "111122223333", "AIDAXXXXXXXXXXXXXXXXX",
	} {
		_, err := r.grantBy(r.root(), nobody, nil, encryptOp)
		refused(t, nobody, err, "InvalidArnException", "ARN does not refer to a valid principal: "+nobody)
		_, err = r.grantBy(r.root(), annARN, retiredBy(nobody), encryptOp)
		refused(t, nobody+" retiring", err, "InvalidArnException", "ARN does not refer to a valid principal: "+nobody)
	}
	testGranteeMadeAgain(t, r)
}

// testGranteeMadeAgain: as rule 2.4 has it, a grant means who was there.
func testGranteeMadeAgain(t *testing.T, r *ruled) {
	r.grant(annARN, nil, encryptOp)
	r.allowed("ann", r.encrypt(r.ann))
	old := must(r.Identities.User(t.Context(), nil, "ann")).ID
	r.annMay("")
	r.Update(func(tx store.Tx) error {
		keys, _, err := r.Identities.AccessKeys(tx, "ann", iam.Page{})
		if err != nil {
			return err
		}
		if err := r.Identities.DeleteAccessKey(tx, "ann", keys[0].ID); err != nil {
			return err
		}
		return r.Identities.DeleteUser(tx, "ann")
	})
	_, again := r.UserWithKey("ann")
	r.denied("another of the name", r.encrypt(again), byIdentity)
	shown := must(r.KMS(region).ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &r.key})).Grants
	if len(shown) != 1 || *shown[0].GranteePrincipal != old {
		t.Errorf("shown as %+v, want %s", shown, old)
	}
}

func testGrantLimits(t *testing.T) {
	rail, err := policy.Load("scp", []byte(*document(`{"Effect":"Allow","NotAction":"kms:Decrypt","Resource":"*"}`)), policy.SCP)
	if err != nil {
		t.Fatal(err)
	}
	r := startRuled(t, testkit.WithGuardrails(authz.Guardrails{SCP: [][]*policy.Policy{{rail}}}))
	r.grant(annARN, nil, encryptOp, decryptOp)
	blob := must(r.KMSWith(region, r.ann).Encrypt(t.Context(), &kms.EncryptInput{KeyId: &r.key, Plaintext: []byte("m")})).CiphertextBlob
	r.denied("SCP", second(r.KMSWith(region, r.ann).Decrypt(t.Context(), &kms.DecryptInput{KeyId: &r.key, CiphertextBlob: blob})), "because no service control policy allows the kms:Decrypt action")
	r.keySays(r.key, toKey("Allow", rootARN)+`,{"Effect":"Deny","Principal":{"AWS":"`+annARN+`"},"Action":"kms:Encrypt","Resource":"*"}`)
	r.denied("key policy", r.encrypt(r.ann), "with an explicit deny in a resource-based policy")
	r.keySays(r.key, toKey("Allow", rootARN))
	r.annMay(noEncrypt)
	r.denied("identity policy", r.encrypt(r.ann), "with an explicit deny in an identity-based policy")
	r.annMay(`{"Effect":"Allow","Action":"sts:*","Resource":"*"}`)
	r.annBoundary(`{"Effect":"Allow","Action":"iam:*","Resource":"*"}`)
	r.allowed("named exactly, a boundary does not cap", r.encrypt(r.ann))

	r.opsMay(`{"Effect":"Allow","Action":"iam:*","Resource":"*"}`)
	r.grant(opsARN, nil, encryptOp)
	narrow := r.session(`{"Effect":"Allow","Action":"iam:*","Resource":"*"}`)
	r.keySays(r.key, toKey("Allow", "arn:aws:iam::111122223333:user/nobody"))
	r.denied("the role named, a session policy caps", r.encrypt(narrow), "because no session policy allows the kms:Encrypt action")
	r.keySays(r.key, toKey("Allow", rootARN))
	r.grant(sessionARN, nil, encryptOp)
	r.allowed("the session named", r.encrypt(narrow))
}

func testGrantConstraints(t *testing.T) {
	r := startRuled(t)
	c := r.KMSWith(region, r.ann)
	ctx := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	g := r.grant(annARN, equals(ctx("dept", "hr", "id", "1")), encryptOp, describeOp, types.GrantOperationReEncryptFrom)
	r.allowed("the same", r.encryptWith(r.ann, ctx("id", "1", "dept", "hr")))
	for what, m := range map[string]map[string]string{
		"none": nil, "fewer": ctx("dept", "hr"), "more": ctx("dept", "hr", "id", "1", "x", "y"), "value": ctx("dept", "HR", "id", "1"), "key": ctx("Dept", "hr", "id", "1"),
	} {
		r.denied(what, r.encryptWith(r.ann, m), byIdentity)
	}
	r.allowed("DescribeKey has no context", r.describe(r.ann))
	blob := must(c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &r.key, Plaintext: []byte("m"), EncryptionContext: ctx("dept", "hr", "id", "1")})).CiphertextBlob
	other := r.NewKey(region)
	must(r.KMS(region).CreateGrant(t.Context(), &kms.CreateGrantInput{
		KeyId: &other, GranteePrincipal: aws.String(annARN), Operations: []types.GrantOperation{types.GrantOperationReEncryptTo},
		Constraints: &types.GrantConstraints{EncryptionContextSubset: ctx("to", "here")},
	}))
	reEncrypt := func(destination map[string]string) error {
		return second(c.ReEncrypt(t.Context(), &kms.ReEncryptInput{
			CiphertextBlob: blob, SourceKeyId: &r.key, SourceEncryptionContext: ctx("dept", "hr", "id", "1"),
			DestinationKeyId: &other, DestinationEncryptionContext: destination,
		}))
	}
	r.allowed("ReEncrypt, each with its own", reEncrypt(ctx("to", "here", "x", "y")))
	r.denied("the destination's", reEncrypt(ctx("dept", "hr", "id", "1")), "kms:ReEncryptTo")
	r.allowed("revoke", r.revoke(r.root(), g.GrantId))
	r.denied("revoked", r.encryptWith(r.ann, ctx("id", "1", "dept", "hr")), byIdentity)

	r.grant(annARN, subset(ctx("dept", "hr")), encryptOp)
	r.allowed("subset alone", r.encryptWith(r.ann, ctx("dept", "hr")))
	r.allowed("subset and more", r.encryptWith(r.ann, ctx("dept", "hr", "id", "2")))
	r.denied("without it", r.encryptWith(r.ann, ctx("id", "2")), byIdentity)
	r.grant(annARN, func(in *kms.CreateGrantInput) {
		in.Constraints = &types.GrantConstraints{EncryptionContextEquals: ctx("a", "1", "b", "2"), EncryptionContextSubset: ctx("c", "3")}
	}, encryptOp)
	r.denied("both given, only one holds", r.encryptWith(r.ann, ctx("a", "1", "b", "2")), byIdentity)
}

func testChildGrants(t *testing.T) {
	r := startRuled(t)
	_, bob := r.UserWithKey("bob")
	const bobARN = "arn:aws:iam::111122223333:user/bob"
	dept, more := map[string]string{"dept": "hr"}, map[string]string{"dept": "hr", "id": "1"}
	r.grant(annARN, subset(dept), encryptOp, decryptOp, grantOp)
	try := func(what string, ok bool, change func(*kms.CreateGrantInput), operations ...types.GrantOperation) {
		t.Helper()
		out, err := r.grantBy(r.ann, bobARN, change, operations...)
		if !ok {
			r.denied(what, err, byIdentity+"kms:CreateGrant action")
			return
		}
		r.allowed(what, err)
		if err == nil {
			r.allowed("root revokes", r.revoke(r.root(), out.GrantId))
		}
	}
	try("fewer operations, the same constraint", true, subset(dept), encryptOp)
	try("all operations, a larger subset", true, subset(more), encryptOp, decryptOp, grantOp)
	try("an Equals that includes it", true, equals(more), encryptOp)
	try("an operation more", false, subset(dept), encryptOp, describeOp)
	try("no constraint", false, nil, encryptOp)
	try("another constraint", false, subset(map[string]string{"dept": "it"}), encryptOp)
	try("an Equals without it", false, equals(map[string]string{"id": "1"}), encryptOp)

	r.grant(annARN, equals(more), encryptOp, grantOp)
	try("the same Equals", true, equals(more), encryptOp)
	try("another Equals", false, equals(map[string]string{"id": "1"}), encryptOp)
	must(r.grantBy(r.ann, bobARN, equals(more), encryptOp))
	r.allowed("bob by the child", r.encryptWith(bob, more))
	r.denied("bob otherwise", r.encryptWith(bob, dept), byIdentity)

	r.annMay(`{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*"}`)
	try("by policy, no such limit", true, nil, describeOp)
}

func testGrantTokens(t *testing.T) {
	r := startRuled(t)
	named := func(change func(*kms.CreateGrantInput)) func(*kms.CreateGrantInput) {
		return func(in *kms.CreateGrantInput) {
			in.Name = aws.String("n")
			if change != nil {
				change(in)
			}
		}
	}
	first := r.grant(annARN, named(nil), encryptOp, decryptOp)
	again := r.grant(annARN, named(nil), decryptOp, encryptOp)
	if *first.GrantId != *again.GrantId || *first.GrantToken == *again.GrantToken {
		t.Errorf("the same again: %s and %s", *first.GrantId, *again.GrantId)
	}
	for what, change := range map[string]func(*kms.CreateGrantInput){
		"constraint": named(subset(map[string]string{"a": "b"})), "retirer": named(retiredBy(rootARN)), "no name": nil,
		"name": func(in *kms.CreateGrantInput) { in.Name = aws.String("m") },
	} {
		if out := r.grant(annARN, change, encryptOp, decryptOp); *out.GrantId == *first.GrantId {
			t.Errorf("another %s: the same grant", what)
		}
	}
	encrypt := func(tokens ...string) error {
		return second(r.KMSWith(region, r.ann).Encrypt(t.Context(), &kms.EncryptInput{KeyId: &r.key, Plaintext: []byte("m"), GrantTokens: tokens}))
	}
	r.allowed("both tokens", encrypt(*first.GrantToken, *again.GrantToken))
	key := r.key
	r.key = r.NewKey(region)
	foreign := r.grant(annARN, nil, encryptOp)
	foreignKey := r.key
	r.key = key
	r.allowed("a token of another key", encrypt(*foreign.GrantToken))
	altered := []byte(*first.GrantToken)
	altered[30] ^= 1
	for what, token := range map[string]string{"no base64": "%%%", "no token": "AQ==", "altered": string(altered)} {
		refused(t, what, encrypt(token), "InvalidGrantTokenException", "")
	}
	r.allowed("revoke", second(r.KMS(region).RevokeGrant(t.Context(), &kms.RevokeGrantInput{KeyId: &foreignKey, GrantId: foreign.GrantId})))
	refused(t, "of a grant that is gone", encrypt(*foreign.GrantToken), "InvalidGrantTokenException", "")
	elsewhere := r.KMSWith("eu-2", r.root())
	refused(t, "of another region", second(elsewhere.RetireGrant(t.Context(), &kms.RetireGrantInput{GrantToken: first.GrantToken})), "InvalidGrantTokenException", "")
}

func testRetire(t *testing.T) {
	r := startRuled(t)
	_, bob := r.UserWithKey("bob")
	const bobARN = "arn:aws:iam::111122223333:user/bob"
	token := func(change func(*kms.CreateGrantInput), operations ...types.GrantOperation) *string {
		return r.grant(annARN, change, append(operations, encryptOp)...).GrantToken
	}
	r.allowed("the retiring principal", r.retire(bob, token(retiredBy(bobARN))))
	r.denied("the grantee, not permitted", r.retire(r.ann, token(retiredBy(bobARN))), byIdentity+"kms:RetireGrant action")
	r.allowed("the grantee, permitted", r.retire(r.ann, token(nil, retireOp)))
	r.allowed("the grantee as retiring principal", r.retire(r.ann, token(retiredBy(annARN))))
	r.allowed("root of the account that made it", r.retire(r.root(), token(nil)))
	r.denied("somebody", r.retire(bob, token(nil)), byIdentity+"kms:RetireGrant action")
	r.keySays(r.key, toKey("Allow", rootARN)+","+toKey("Allow", bobARN))
	r.denied("somebody whom the key policy names", r.retire(bob, token(nil)), byIdentity+"kms:RetireGrant action")
	r.userMay("bob", `{"Effect":"Allow","Action":"kms:RetireGrant","Resource":"*"}`)
	r.allowed("an identity of that account with the right", r.retire(bob, token(nil)))
	r.keySays(r.key, toKey("Allow", rootARN)+","+`{"Effect":"Deny","Principal":"*","Action":"kms:RetireGrant","Resource":"*"}`)
	r.allowed("a key policy cannot deny it", r.retire(bob, token(nil)))
	r.userMay("bob", `{"Effect":"Deny","Action":"kms:RetireGrant","Resource":"*"}`)
	r.denied("an identity policy can", r.retire(bob, token(retiredBy(bobARN))), "with an explicit deny in an identity-based policy")
	r.userMay("bob", `{"Effect":"Deny","Action":"kms:RetireGrant","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:a":"b"}}}`)
	r.allowed("on conditions of its constraints", r.retire(bob, token(retiredBy(bobARN))))
	r.denied("which hold", r.retire(bob, token(func(in *kms.CreateGrantInput) {
		retiredBy(bobARN)(in)
		subset(map[string]string{"a": "b"})(in)
	})), "with an explicit deny in an identity-based policy")

	g := r.grant(annARN, retiredBy(annARN), encryptOp)
	byID := func(key string) error {
		return second(r.KMSWith(region, r.ann).RetireGrant(t.Context(), &kms.RetireGrantInput{KeyId: &key, GrantId: g.GrantId}))
	}
	r.allowed("by id", byID(keyARN(r.key)))
	refused(t, "again", byID(keyARN(r.key)), "NotFoundException", "Grant ID "+*g.GrantId+" not found")
}

func testGrantRights(t *testing.T) {
	r := startRuled(t)
	c := r.KMSWith(region, r.ann)
	g := r.grant(annARN, nil, encryptOp)
	list := func() error { return second(c.ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &r.key})) }
	retirable := func() error {
		return second(c.ListRetirableGrants(t.Context(), &kms.ListRetirableGrantsInput{RetiringPrincipal: aws.String(annARN)}))
	}
	r.denied("RevokeGrant", r.revoke(r.ann, g.GrantId), byIdentity+"kms:RevokeGrant action")
	r.denied("ListGrants", list(), byIdentity+"kms:ListGrants action")
	r.denied("ListRetirableGrants", retirable(), "kms:ListRetirableGrants on resource: * "+byIdentity)
	_, err := r.grantBy(r.ann, annARN, nil, describeOp)
	r.denied("CreateGrant", err, byIdentity+"kms:CreateGrant action")
	r.annMay(`{"Effect":"Allow","Action":["kms:RevokeGrant","kms:List*","kms:CreateGrant"],"Resource":"*"}`)
	r.allowed("ListGrants", list())
	r.allowed("ListRetirableGrants", retirable())
	_, err = r.grantBy(r.ann, annARN, nil, describeOp)
	r.allowed("CreateGrant of what its maker may not do", err)
	r.allowed("now ann may", r.describe(r.ann))
	r.allowed("RevokeGrant", r.revoke(r.ann, g.GrantId))
	r.denied("revoked", r.encrypt(r.ann), byIdentity)
}

func testGrantsGo(t *testing.T) {
	r := startRuled(t)
	g := r.grant(annARN, func(in *kms.CreateGrantInput) {
		retiredBy(annARN)(in)
		equals(map[string]string{"a": "b"})(in)
		in.Name = aws.String("n")
	}, encryptOp)
	r.grant(annARN, nil, encryptOp)
	c := r.KMS(region)
	must(c.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &r.key, PendingWindowInDays: aws.Int32(7)}))
	r.Offset.Store(int64(8 * 24 * 3600 * 1e9))
	if err := r.Server.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := must(c.ListRetirableGrants(t.Context(), &kms.ListRetirableGrantsInput{RetiringPrincipal: aws.String(annARN)}))
	if len(out.Grants) > 0 {
		t.Errorf("left: %+v", out.Grants)
	}
	refused(t, "token", r.retire(r.root(), g.GrantToken), "InvalidGrantTokenException", "")
	r.Update(func(tx store.Tx) error {
		for path := range tx.Scan("kms/grant", "") {
			t.Errorf("left: %s", path)
		}
		return nil
	})
}

func testGrantConditions(t *testing.T) {
	r := startRuled(t)
	create := func(change func(*kms.CreateGrantInput), operations ...types.GrantOperation) error {
		return second(r.grantBy(r.ann, annARN, change, operations...))
	}
	for _, x := range []struct {
		condition string
		yes, no   func() error
	}{
		{`"Bool":{"kms:GrantIsForAWSResource":"false"}`, func() error { return create(nil, encryptOp) }, nil},
		{`"Bool":{"kms:GrantIsForAWSResource":"true"}`, nil, func() error { return create(nil, encryptOp) }},
		{`"ForAllValues:StringEquals":{"kms:GrantOperations":["Encrypt","Decrypt"]}`,
			func() error { return create(nil, encryptOp) }, func() error { return create(nil, encryptOp, describeOp) }},
		{`"StringEquals":{"kms:GranteePrincipal":"` + annARN + `"}`,
			func() error { return create(nil, encryptOp) }, func() error { return second(r.grantBy(r.ann, rootARN, nil, encryptOp)) }},
		{`"StringEquals":{"kms:RetiringPrincipal":"` + rootARN + `"}`,
			func() error { return create(retiredBy(rootARN), encryptOp) }, func() error { return create(nil, encryptOp) }},
		{`"StringEquals":{"kms:GrantConstraintType":"EncryptionContextEquals"}`,
			func() error { return create(equals(map[string]string{"a": "b"}), encryptOp) },
			func() error { return create(subset(map[string]string{"a": "b"}), encryptOp) }},
		{`"StringEquals":{"kms:GrantConstraintType":"EncryptionContextSubset"}`,
			func() error { return create(subset(map[string]string{"a": "b"}), encryptOp) },
			func() error { return create(subset(map[string]string{}), encryptOp) }},
		{`"StringEquals":{"kms:EncryptionContext:a":"b"}`,
			func() error { return create(subset(map[string]string{"a": "b"}), encryptOp) }, func() error { return create(nil, encryptOp) }},
	} {
		r.annMay(`{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{` + x.condition + `}}`)
		if x.yes != nil {
			r.allowed(x.condition, x.yes())
		}
		if x.no != nil {
			r.denied(x.condition, x.no(), byIdentity+"kms:CreateGrant action")
		}
	}
	// Whom a Deny means by an ARN cannot be named otherwise.
	r.annMay(`{"Effect":"Allow","Action":["kms:CreateGrant","iam:GetUser"],"Resource":"*"},{"Effect":"Deny","Action":"kms:CreateGrant","Resource":"*",` +
		`"Condition":{"StringEquals":{"kms:GranteePrincipal":"` + annARN + `"}}}`)
	id := must(r.IAM().GetUser(t.Context(), &iamclient.GetUserInput{UserName: new("ann")})).User.UserId
	refused(t, "by the unique id", second(r.grantBy(r.ann, *id, nil, encryptOp)), "InvalidArnException", *id)
	refused(t, "retired by the unique id", second(r.grantBy(r.ann, rootARN, retiredBy(*id), encryptOp)), "InvalidArnException", *id)
}
