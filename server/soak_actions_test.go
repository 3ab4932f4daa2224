package server_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"pgregory.net/rapid"
)

// actions are the steps of the machine.
func (m *machine) actions() map[string]func(*rapid.T) {
	actions := map[string]func(*rapid.T){"": m.check}
	add := func(name string, f func()) {
		actions[name] = func(t *rapid.T) {
			m.t = t
			f()
		}
	}
	add("create", m.create)
	add("use", m.use)
	add("use again", m.use)
	add("open", func() { m.opens(m.pick()) })
	add("misuse", m.misuse)
	add("state", m.setState)
	add("schedule", m.schedule)
	add("cancel", m.cancel)
	add("look", m.look)
	add("tag", m.tag)
	add("grant", m.grant)
	add("end grant", m.endGrant)
	add("alias", m.alias)
	add("delete alias", m.deleteAlias)
	add("rotate", m.rotate)
	add("rotation schedule", m.rotationSchedule)
	add("rotations", m.checkRotations)
	add("replicate", m.replicate)
	add("primary", m.updatePrimary)
	add("import", m.importMaterial)
	add("delete material", m.deleteMaterial)
	add("key store", m.keyStore)
	add("time", func() {
		m.advance(time.Duration(rapid.IntRange(0, 20).Draw(m.t, "days")) * day)
		if rapid.IntRange(0, 3).Draw(m.t, "sweep") > 0 {
			m.sweep()
		}
	})
	add("restart", func() {
		if rapid.IntRange(0, 9).Draw(m.t, "restart") == 0 {
			m.restart()
		}
	})
	return actions
}

func (m *machine) create() {
	if len(m.keys) >= 7 {
		last := slices.IndexFunc(m.keys, func(k *keyOf) bool { return k.gone })
		if last < 0 {
			m.t.Skip("enough keys")
		}
		m.keys = slices.Delete(m.keys, last, last+1)
	}
	k := &keyOf{region: homeRegion, state: types.KeyStateEnabled, description: m.text(), tags: map[string]string{}, material: new(material)}
	k.kind = rapid.SampledFrom([]string{kindSymmetric, kindRelated, kindRelated, kindExternal, kindStored, kindMAC, kindPair}).Draw(m.t, "kind")
	in := &kms.CreateKeyInput{Description: &k.description}
	want := ""
	switch k.kind {
	case kindRelated:
		in.MultiRegion = new(true)
		k.primary, k.related = homeRegion, map[string]*keyOf{homeRegion: k}
	case kindExternal:
		in.Origin, k.state = types.OriginTypeExternal, types.KeyStatePendingImport
	case kindStored:
		in.Origin, in.CustomKeyStoreId = types.OriginTypeAwsCloudhsm, &m.store
		if !m.connected {
			want = "CustomKeyStoreInvalidStateException"
		}
	case kindMAC:
		in.KeySpec, in.KeyUsage = "HMAC_256", "GENERATE_VERIFY_MAC"
	case kindPair:
		in.KeySpec, in.KeyUsage = "ECC_NIST_P256", "SIGN_VERIFY"
	}
	out, err := m.of(k).CreateKey(context.Background(), in)
	if m.answer("CreateKey", nil, err, want) {
		k.id = *out.KeyMetadata.KeyId
		m.keys = append(m.keys, k)
	}
}

// use has a key do what it is for, and keeps what it made.
func (m *machine) use() {
	k := m.pick()
	ctx, c, b := context.Background(), m.of(k), blob{plaintext: []byte(m.text())}
	ok := false
	switch k.kind {
	case kindMAC:
		out, err := c.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &k.id, Message: b.plaintext, MacAlgorithm: "HMAC_SHA_256"})
		if ok = m.answer("GenerateMac", k, err, m.byState("GenerateMac", k)); ok {
			b.made = out.Mac
		}
	case kindPair:
		out, err := c.Sign(ctx, &kms.SignInput{KeyId: &k.id, Message: b.plaintext, SigningAlgorithm: "ECDSA_SHA_256"})
		if ok = m.answer("Sign", k, err, m.byState("Sign", k)); ok {
			b.made = out.Signature
		}
	default:
		if len(k.blobs) > 0 && rapid.Bool().Draw(m.t, "again") {
			ok = m.reEncrypt(k, &b)
			break
		}
		if rapid.Bool().Draw(m.t, "data key") {
			out, err := c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &k.id, KeySpec: "AES_256"})
			if ok = m.answer("GenerateDataKey", k, err, m.byState("GenerateDataKey", k)); ok {
				b.plaintext, b.made = out.Plaintext, out.CiphertextBlob
			}
			break
		}
		out, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: b.plaintext})
		if ok = m.answer("Encrypt", k, err, m.byState("Encrypt", k)); ok {
			b.made = out.CiphertextBlob
		}
	}
	if ok {
		k.blobs = append(k.blobs, b)
		k.blobs = k.blobs[max(0, len(k.blobs)-4):]
	}
}

// reEncrypt moves a ciphertext of a key to the same key's material of now.
func (m *machine) reEncrypt(k *keyOf, b *blob) bool {
	old := k.blobs[0]
	out, err := m.of(k).ReEncrypt(context.Background(), &kms.ReEncryptInput{CiphertextBlob: old.made, DestinationKeyId: &k.id})
	if !m.answer("ReEncrypt", k, err, m.byState("ReEncrypt", k)) {
		return false
	}
	b.plaintext, b.made = old.plaintext, out.CiphertextBlob
	return true
}

func (m *machine) symmetric(k *keyOf) bool { return k.kind != kindMAC && k.kind != kindPair }

// misuse asks a key for what others are for: its state counts before its usage.
func (m *machine) misuse() {
	k := m.pick()
	usage := func(operation string, right bool) string {
		if want := m.byState(operation, k); want != "" || right {
			return want
		}
		return "InvalidKeyUsageException"
	}
	ctx, c := context.Background(), m.of(k)
	_, err := c.Sign(ctx, &kms.SignInput{KeyId: &k.id, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"})
	m.answer("Sign", k, err, usage("Sign", k.kind == kindPair))
	_, err = c.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &k.id, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256"})
	m.answer("GenerateMac", k, err, usage("GenerateMac", k.kind == kindMAC))
	_, err = c.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: &k.id, KeyPairSpec: "ECC_NIST_P256"})
	m.answer("GenerateDataKeyPair", k, err, usage("GenerateDataKeyPair", m.symmetric(k)))
	_, err = c.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &k.id, KeySpec: "AES_128"})
	m.answer("GenerateDataKeyWithoutPlaintext", k, err, usage("GenerateDataKeyWithoutPlaintext", m.symmetric(k)))
	_, err = c.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &k.id})
	want := m.byState("GetPublicKey", k)
	if want == "" && k.kind != kindPair {
		want = "UnsupportedOperationException"
	}
	m.answer("GetPublicKey", k, err, want)
}

func (m *machine) setState() {
	k, ctx := m.pick(), context.Background()
	if rapid.Bool().Draw(m.t, "enable") {
		_, err := m.of(k).EnableKey(ctx, &kms.EnableKeyInput{KeyId: &k.id})
		if m.answer("EnableKey", k, err, m.byState("EnableKey", k)) {
			k.state = types.KeyStateEnabled
		}
		return
	}
	_, err := m.of(k).DisableKey(ctx, &kms.DisableKeyInput{KeyId: &k.id})
	if m.answer("DisableKey", k, err, m.byState("DisableKey", k)) {
		k.state = types.KeyStateDisabled
	}
}

func (m *machine) schedule() {
	k := m.pick()
	days := rapid.SampledFrom([]int32{6, 7, 20, 30, 31}).Draw(m.t, "window")
	out, err := m.of(k).ScheduleKeyDeletion(context.Background(), &kms.ScheduleKeyDeletionInput{KeyId: &k.id, PendingWindowInDays: &days})
	want := m.byState("ScheduleKeyDeletion", k)
	if !k.gone && (days < 7 || days > 30) {
		want = "ValidationException"
	}
	if !m.answer("ScheduleKeyDeletion", k, err, want) {
		return
	}
	k.window, k.state = int(days), types.KeyStatePendingDeletion
	if k.primary == k.region && len(k.related) > 1 {
		k.state = types.KeyStatePendingReplicaDeletion
		return
	}
	k.deletion = m.near("DeletionDate", *out.DeletionDate, m.kit.Now(), k.window)
}

func (m *machine) cancel() {
	k := m.pick()
	for _, pending := range m.keys { // they are what it is for
		if pending.window > 0 && !pending.gone && rapid.Bool().Draw(m.t, "this") {
			k = pending
		}
	}
	_, err := m.of(k).CancelKeyDeletion(context.Background(), &kms.CancelKeyDeletionInput{KeyId: &k.id})
	if m.answer("CancelKeyDeletion", k, err, m.byState("CancelKeyDeletion", k)) {
		k.state, k.window = types.KeyStateDisabled, 0
		if !k.complete() {
			k.state = types.KeyStatePendingImport
		}
	}
}

// look has every operation that only reads answer.
func (m *machine) look() {
	k, ctx := m.pick(), context.Background()
	c := m.of(k)
	for operation, err := range map[string]error{
		"GetKeyPolicy":     failureOf(c.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &k.id})),
		"ListKeyPolicies":  failureOf(c.ListKeyPolicies(ctx, &kms.ListKeyPoliciesInput{KeyId: &k.id})),
		"GetKeyLastUsage":  failureOf(c.GetKeyLastUsage(ctx, &kms.GetKeyLastUsageInput{KeyId: &k.id})),
		"ListGrants":       failureOf(c.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &k.id})),
		"ListResourceTags": failureOf(c.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &k.id})),
		"PutKeyPolicy":     failureOf(c.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &k.id, Policy: new(m.kit.Service.DefaultPolicy())})),
	} {
		m.answer(operation, k, err, m.byState(operation, k))
	}
	text := m.text()
	_, err := c.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &k.id, Description: &text})
	if m.answer("UpdateKeyDescription", k, err, m.byState("UpdateKeyDescription", k)) {
		k.description = text
	}
}

func (m *machine) tag() {
	k, ctx := m.pick(), context.Background()
	name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(m.t, "tag")
	if rapid.Bool().Draw(m.t, "add") {
		text := m.text()
		_, err := m.of(k).TagResource(ctx, &kms.TagResourceInput{KeyId: &k.id, Tags: []types.Tag{{TagKey: &name, TagValue: &text}}})
		if m.answer("TagResource", k, err, m.byState("TagResource", k)) {
			k.tags[name] = text
		}
		return
	}
	_, err := m.of(k).UntagResource(ctx, &kms.UntagResourceInput{KeyId: &k.id, TagKeys: []string{name}})
	if m.answer("UntagResource", k, err, m.byState("UntagResource", k)) {
		delete(k.tags, name)
	}
}

func (m *machine) grant() {
	k := m.pick()
	operation := types.GrantOperationEncrypt
	switch k.kind {
	case kindMAC:
		operation = types.GrantOperationGenerateMac
	case kindPair:
		operation = types.GrantOperationSign
	}
	out, err := m.of(k).CreateGrant(context.Background(), &kms.CreateGrantInput{
		KeyId: &k.id, GranteePrincipal: new(rootARN), RetiringPrincipal: new(rootARN), Operations: []types.GrantOperation{operation},
	})
	if m.answer("CreateGrant", k, err, m.byState("CreateGrant", k)) {
		k.grants = append(k.grants, *out.GrantId)
	}
}

func (m *machine) endGrant() {
	k, ctx := m.pick(), context.Background()
	if len(k.grants) == 0 {
		m.t.Skip("no grant")
	}
	id := k.grants[0]
	var err error
	operation := "RevokeGrant"
	if rapid.Bool().Draw(m.t, "retire") {
		operation = "RetireGrant"
		arn := "arn:aws:kms:" + k.region + ":111122223333:key/" + k.id
		_, err = m.of(k).RetireGrant(ctx, &kms.RetireGrantInput{KeyId: &arn, GrantId: &id})
	} else {
		_, err = m.of(k).RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &k.id, GrantId: &id})
	}
	if m.answer(operation, k, err, m.byState(operation, k)) {
		k.grants = k.grants[1:]
	}
}

// aliasName draws one of few names; the run's own, for what others left.
func (m *machine) aliasName() string {
	return fmt.Sprintf("alias/%d/%d", m.run, rapid.IntRange(0, 3).Draw(m.t, "alias"))
}

func (m *machine) alias() {
	k, name, ctx := m.pick(), m.aliasName(), context.Background()
	if k.region != homeRegion {
		m.t.Skip("another region")
	}
	old := m.aliases[name]
	operation := rapid.SampledFrom([]string{"CreateAlias", "UpdateAlias"}).Draw(m.t, "operation")
	want := m.byState(operation, k)
	var err error
	if operation == "CreateAlias" {
		_, err = m.of(k).CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &k.id})
		if want == "" && old != nil {
			want = "AlreadyExistsException"
		}
	} else {
		_, err = m.of(k).UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: &name, TargetKeyId: &k.id})
		switch {
		case old == nil:
			want = "NotFoundException"
		case want == "" && (m.symmetric(k) != m.symmetric(old) || !m.symmetric(k) && k.kind != old.kind):
			want = "ValidationException"
		}
	}
	if m.answer(operation, k, err, want) {
		m.aliases[name] = k
	}
}

func (m *machine) deleteAlias() {
	name, want := m.aliasName(), ""
	if m.aliases[name] == nil {
		want = "NotFoundException"
	}
	_, err := m.clients[homeRegion].DeleteAlias(context.Background(), &kms.DeleteAliasInput{AliasName: &name})
	if m.answer("DeleteAlias", m.aliases[name], err, want) {
		delete(m.aliases, name)
	}
}

func (m *machine) replicate() {
	k, ctx := m.pick(kindRelated, kindRelated, kindSymmetric), context.Background()
	to := rapid.SampledFrom(machineRegions).Draw(m.t, "region")
	r := &keyOf{region: to, id: k.id, kind: k.kind, state: types.KeyStateEnabled, description: m.text(), tags: map[string]string{}, material: k.material}
	_, err := m.of(k).ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: &to, Description: &r.description})
	want := m.byState("ReplicateKey", k)
	switch {
	case k.gone:
	case k.primary != k.region:
		want = "UnsupportedOperationException"
	case want == "" && k.related[to] != nil:
		want = "AlreadyExistsException"
	}
	if m.answer("ReplicateKey", k, err, want) {
		k.related[to] = r
		// One that was there before has come back.
		m.keys = append(slices.DeleteFunc(m.keys, func(o *keyOf) bool { return o.id == r.id && o.region == to }), r)
	}
}

func (m *machine) updatePrimary() {
	k := m.pick(kindRelated, kindRelated, kindSymmetric)
	to := rapid.SampledFrom(machineRegions).Draw(m.t, "region")
	_, err := m.of(k).UpdatePrimaryRegion(context.Background(), &kms.UpdatePrimaryRegionInput{KeyId: &k.id, PrimaryRegion: &to})
	want := m.byState("UpdatePrimaryRegion", k)
	switch {
	case k.gone:
	case k.primary != k.region:
		want = "UnsupportedOperationException"
	case want == "" && to == k.region:
		want = "UnsupportedOperationException"
	case want == "" && k.related[to] == nil:
		want = "NotFoundException"
	case want == "":
		want = m.byState("UpdatePrimaryRegion", k.related[to])
	}
	if m.answer("UpdatePrimaryRegion", k, err, want) {
		k.primary = to
	}
}

func (m *machine) keyStore() {
	ctx, c, want := context.Background(), m.clients[homeRegion], ""
	if m.connected = !m.connected; m.connected {
		_, err := c.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: &m.store})
		m.answer("ConnectCustomKeyStore", nil, err, want)
		return
	}
	_, err := c.DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: &m.store})
	m.answer("DisconnectCustomKeyStore", nil, err, want)
}
