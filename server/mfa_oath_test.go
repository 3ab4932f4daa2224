package server_test

import (
	"bytes"
	"encoding/base32"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/store"
)

// shownDevice is what CreateOATHDevice answers.
type shownDevice struct {
	Device                struct{ SerialNumber, Type, Algorithm string }
	Base32StringSeed, URI string
	QRCodePNG             []byte
}

// A fob is a device that counts, in somebody's hand.
type fob struct {
	t      *testing.T
	kit    *testkit.Kit
	serial *string
	seed   []byte
}

func newFob(t *testing.T, kit *testkit.Kit, name string) *fob {
	t.Helper()
	f := &fob{t: t, kit: kit, seed: bytes.Repeat([]byte(name), 80/len(name)+1)[:80]}
	var out shownDevice
	before := kit.Log.Size()
	if code := mfaCall(t, kit, root(kit), "CreateOATHDevice",
		map[string]any{"DeviceName": name, "Type": "HOTP", "Digits": 8, "Algorithm": "SHA256", "Seed": f.seed, "Counter": 7}, &out); code != "" {
		t.Fatal(code)
	}
	if out.Base32StringSeed != "" || out.URI != "" || len(out.QRCodePNG) > 0 {
		t.Error("an imported seed is shown")
	}
	for _, e := range kit.Events(before) {
		if strings.Contains(string(e), "seed") || strings.Contains(string(e), "Seed") {
			t.Errorf("%s", e)
		}
	}
	f.serial = &out.Device.SerialNumber
	return f
}

func (f *fob) code(counter uint64) *string {
	f.t.Helper()
	return aws.String(done(hotp.GenerateCodeCustom(base32.StdEncoding.EncodeToString(f.seed), counter,
		hotp.ValidateOpts{Digits: otp.DigitsEight, Algorithm: otp.AlgorithmSHA256}))(f.t))
}

// TestOATHDevices: a device of eight digits that counts, through all of AWS's
// operations on devices, and what policies learn of it.
func TestOATHDevices(t *testing.T) {
	kit := testkit.Start(t)
	ctx := t.Context()
	_, ann := kit.UserWithKey("ann")
	f := newFob(t, kit, "fob")
	if code := mfaCall(t, kit, root(kit), "CreateOATHDevice", map[string]any{"DeviceName": "fob"}, nil); code != "EntityAlreadyExistsException" {
		t.Error(code)
	}
	for _, in := range []map[string]any{
		{"DeviceName": "x", "Digits": 7}, {"DeviceName": "x", "Period": 45}, {"DeviceName": "x", "Type": "HOTP", "Period": 30},
		{"DeviceName": "x", "Counter": 1},
	} {
		if code := mfaCall(t, kit, root(kit), "CreateOATHDevice", in, nil); code != "InvalidInputException" {
			t.Errorf("%v: %s", in, code)
		}
	}
	for _, in := range []map[string]any{
		{}, {"DeviceName": "x", "Digits": 9}, {"DeviceName": "x", "Algorithm": "MD5"}, {"DeviceName": "x", "Type": "PIV"},
		{"DeviceName": "x", "Seed": make([]byte, 15)}, {"DeviceName": "x", "Seed": make([]byte, 129)},
	} {
		if code := mfaCall(t, kit, root(kit), "CreateOATHDevice", in, nil); code != "ValidationException" {
			t.Errorf("%v: %s", in, code)
		}
	}
	user := aws.String("ann")
	_, err := kit.IAM().EnableMFADevice(ctx, &iamclient.EnableMFADeviceInput{UserName: user, SerialNumber: f.serial, AuthenticationCode1: f.code(5), AuthenticationCode2: f.code(6)})
	iamCase{"InvalidAuthenticationCode", 403, "Authentication code for device is not valid."}.check(t, err)
	done(kit.IAM().EnableMFADevice(ctx, &iamclient.EnableMFADeviceInput{UserName: user, SerialNumber: f.serial, AuthenticationCode1: f.code(7), AuthenticationCode2: f.code(8)}))(t)

	session := func(code *string) (aws.CredentialsProvider, error) {
		out, err := kit.STSWith(region, ann).GetSessionToken(ctx, &stsclient.GetSessionTokenInput{SerialNumber: f.serial, TokenCode: code})
		if err != nil {
			return nil, err
		}
		return testkit.Temporary(out.Credentials), nil
	}
	with := done(session(f.code(9)))(t)
	_, err = session(f.code(9))
	refused(t, "a spent code", err, "AccessDenied", wrongCode)
	kit.Restart()
	_, err = session(f.code(9))
	refused(t, "a spent code after a restart", err, "AccessDenied", wrongCode)
	done(kit.IAM().ResyncMFADevice(ctx, &iamclient.ResyncMFADeviceInput{UserName: user, SerialNumber: f.serial, AuthenticationCode1: f.code(90), AuthenticationCode2: f.code(91)}))(t)
	_, err = session(f.code(10))
	refused(t, "a code that was passed over", err, "AccessDenied", wrongCode)

	// What policies learn of it, in the session and in sessions made by it.
	list := func(as aws.CredentialsProvider) error {
		_, err := kit.KMSWith(region, as).ListKeys(ctx, &kmsclient.ListKeysInput{})
		return err
	}
	says := func(condition string) {
		done(kit.IAM().PutUserPolicy(ctx, &iamclient.PutUserPolicyInput{UserName: user, PolicyName: aws.String("p"), PolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:ListKeys","sts:AssumeRole"],"Resource":"*","Condition":` + condition + `}]}`)}))(t)
	}
	for condition, holds := range map[string]bool{
		`{"StringEquals":{"keyd:MFADeviceType":"HOTP"},"Bool":{"keyd:MFADeviceAttested":"false"},"Null":{"keyd:MFATouchPolicy":"true"}}`: true,
		`{"StringEquals":{"keyd:MFADeviceType":["TOTP","PIV"]}}`:                                                                         false,
		`{"Bool":{"keyd:MFADeviceAttested":"true"}}`:                                                                                     false,
		`{"StringEquals":{"keyd:MFATouchPolicy":"always"}}`:                                                                              false,
	} {
		says(condition)
		if err := list(with); (err == nil) != holds {
			t.Errorf("%s: %v", condition, err)
		}
		if list(ann) == nil {
			t.Errorf("%s: holds without MFA", condition)
		}
	}
	says(`{"StringEquals":{"keyd:MFADeviceType":"HOTP"}}`)
	const fact = `"Condition":{"StringEquals":{"keyd:MFADeviceType":"HOTP"}}`
	role := kit.RoleTrusting("ops", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::111122223333:user/ann"},`+fact+`}]}`)
	done(kit.IAM().PutRolePolicy(ctx, &iamclient.PutRolePolicyInput{RoleName: aws.String("ops"), PolicyName: aws.String("p"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*",` + fact + `}]}`)}))(t)
	assume := func(as aws.CredentialsProvider, serial, code *string) aws.CredentialsProvider {
		t.Helper()
		return testkit.Temporary(done(kit.STSWith(region, as).AssumeRole(ctx, &stsclient.AssumeRoleInput{
			RoleArn: aws.String(role.ARN()), RoleSessionName: aws.String("s1"), SerialNumber: serial, TokenCode: code}))(t).Credentials)
	}
	if list(assume(ann, f.serial, f.code(92))) == nil {
		t.Error("rule 10.2: the code of AssumeRole counts in the role's session")
	}
	if err := list(assume(with, nil, nil)); err != nil {
		t.Errorf("rule 10.2: the session's MFA does not go on: %v", err)
	}
}

// TestUnlockMFA: who may lock, unlock and recover whom, and what is told of it.
func TestUnlockMFA(t *testing.T) {
	kit := testkit.Start(t)
	u, ann := kit.UserWithKey("ann")
	p := newPhone(t, kit, "phone")
	if err := p.enable("ann"); err != nil {
		t.Fatal(err)
	}
	type status struct {
		UserName                    string
		Failures, RecoveryCodesLeft int
		Locked                      bool
		Devices                     []struct {
			SerialNumber, UserName, Type, Algorithm string
			Digits, Period, Failures                int
			Locked, Attested                        bool
		}
	}
	describe := func(as aws.CredentialsProvider) (s status, code string) {
		code = mfaCall(t, kit, as, "DescribeMFADevices", map[string]any{"UserName": "ann"}, &s)
		return s, code
	}
	for i := range 10 {
		kit.OATHOffset.Add(int64(2 * time.Hour))
		if _, err := p.session(ann, p.code(20+i)); err == nil {
			t.Fatal("a code of the future")
		}
	}
	kit.OATHOffset.Add(int64(2 * time.Hour))
	_, err := p.session(ann, p.code(0))
	refused(t, "locked", err, "AccessDenied", "locked until")
	got, _ := describe(root(kit))
	if !got.Locked || got.Failures != 10 || got.UserName != "ann" || len(got.Devices) != 1 || !got.Devices[0].Locked || got.Devices[0].Failures != 10 ||
		got.Devices[0].Type != "TOTP" || got.Devices[0].Digits != 6 || got.Devices[0].Period != 30 || got.Devices[0].Algorithm != "SHA1" ||
		got.Devices[0].SerialNumber != *p.serial || got.Devices[0].UserName != "ann" {
		t.Errorf("%+v", got)
	}
	for _, op := range []string{"DescribeMFADevices", "UnlockMFA", "CreateRecoveryCodes"} {
		if code := mfaCall(t, kit, ann, op, map[string]any{"UserName": "ann"}, nil); code != "AccessDeniedException" {
			t.Errorf("%s by a stranger: %s", op, code)
		}
		if code := mfaCall(t, kit, root(kit), op, map[string]any{"UserName": "ghost"}, nil); code != "NoSuchEntityException" {
			t.Errorf("%s of nobody: %s", op, code)
		}
	}
	done(kit.IAM().PutUserPolicy(t.Context(), &iamclient.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("p"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["keyd:CreateRecoveryCodes","keyd:DescribeMFADevices"],"Resource":"arn:aws:iam::*:user/${aws:username}"}]}`)}))(t)
	var codes struct{ Codes []string }
	before := kit.Log.Size()
	if code := mfaCall(t, kit, ann, "CreateRecoveryCodes", map[string]any{}, &codes); code != "" || len(codes.Codes) != 10 {
		t.Fatalf("%s, %d codes", code, len(codes.Codes))
	}
	for _, e := range kit.Events(before) {
		if strings.Contains(string(e), codes.Codes[0]) || !strings.Contains(string(e), `"mfa.keyd"`) {
			t.Errorf("%s", e)
		}
	}
	if got, code := describe(ann); code != "" || got.RecoveryCodesLeft != 10 {
		t.Errorf("%+v %s", got, code)
	}
	if code := mfaCall(t, kit, root(kit), "UnlockMFA", map[string]any{"UserName": "ann"}, nil); code != "" {
		t.Error(code)
	}
	if got, _ := describe(ann); got.Locked || got.Failures != 0 || got.Devices[0].Locked {
		t.Errorf("%+v", got)
	}
	done(p.session(ann, p.code(0)))(t)
	if _, err := kit.MFA.VerifyAny(t.Context(), u.ID, codes.Codes[7], []string{mfa.TypeRecovery}); err != nil {
		t.Error(err)
	}
	if got, _ := describe(ann); got.RecoveryCodesLeft != 9 {
		t.Errorf("%+v", got)
	}
}

// TestDeletedSeed: when a device is deleted, nothing of its wrapped seed is left on
// the medium after the next sweep.
func TestDeletedSeed(t *testing.T) {
	kit := testkit.Start(t)
	f := newFob(t, kit, "fob")
	var wrapped []byte
	if err := kit.DB.View(t.Context(), func(tx store.Tx) error {
		b, err := tx.Get("mfa/device/fob")
		if err != nil {
			return err
		}
		var d struct {
			Wrapped json.RawMessage `json:"wrapped"`
		}
		err = json.Unmarshal(b, &d)
		wrapped = bytes.Trim(d.Wrapped, `"`)
		return err
	}); err != nil || len(wrapped) < 40 {
		t.Fatalf("%s %v", wrapped, err)
	}
	there := func() bool {
		return bytes.Contains(done(os.ReadFile(filepath.Join(kit.Dir, "state.db")))(t), wrapped)
	}
	if !there() {
		t.Fatal("the seed is not where it is looked for")
	}
	done(kit.IAM().DeleteVirtualMFADevice(t.Context(), &iamclient.DeleteVirtualMFADeviceInput{SerialNumber: f.serial}))(t)
	if err := kit.Server.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if there() {
		t.Error("the seed is still there")
	}
}
