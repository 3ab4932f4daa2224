package server_test

import (
	"bytes"
	"fmt"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/pquerna/otp/totp"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

// A phone is a virtual MFA device in somebody's hand.
type phone struct {
	t      *testing.T
	kit    *testkit.Kit
	serial *string
	seed   string
}

func newPhone(t *testing.T, kit *testkit.Kit, name string) *phone {
	t.Helper()
	d := done(kit.IAM().CreateVirtualMFADevice(t.Context(), &iamclient.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &name}))(t).VirtualMFADevice
	if _, err := png.Decode(bytes.NewReader(d.QRCodePNG)); err != nil {
		t.Errorf("QR code: %v", err)
	}
	return &phone{t, kit, d.SerialNumber, string(d.Base32StringSeed)}
}

// code is the one of some steps from now.
func (p *phone) code(steps int) *string {
	p.t.Helper()
	return aws.String(done(totp.GenerateCode(p.seed, p.kit.OATHTime().Add(time.Duration(steps)*30*time.Second)))(p.t))
}

// next waits until the code shown now is unspent.
func (p *phone) next() *string {
	p.kit.OATHOffset.Add(int64(time.Minute))
	return p.code(0)
}

func (p *phone) enable(user string) error {
	_, err := p.kit.IAM().EnableMFADevice(p.t.Context(), &iamclient.EnableMFADeviceInput{
		UserName: &user, SerialNumber: p.serial, AuthenticationCode1: p.code(-1), AuthenticationCode2: p.code(0)})
	return err
}

// session is GetSessionToken with a code.
func (p *phone) session(as aws.CredentialsProvider, code *string) (*ststypes.Credentials, error) {
	out, err := p.kit.STSWith(region, as).GetSessionToken(p.t.Context(), &stsclient.GetSessionTokenInput{SerialNumber: p.serial, TokenCode: code})
	if err != nil {
		return nil, err
	}
	return out.Credentials, nil
}

const (
	wrongCode = "MultiFactorAuthentication failed with invalid MFA one time pass code."
	notYours  = "Please verify your MFA serial number is valid and associated with this user."
)

// TestMFADevices: the life of devices on the wire.
func TestMFADevices(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	kit.UserWithKey("ann")
	ann, ghost := aws.String("ann"), aws.String("ghost")
	before := kit.Log.Size()
	p := newPhone(t, kit, "ann-phone")
	for _, e := range kit.Events(before) {
		if strings.Contains(string(e), p.seed) {
			t.Error("the seed is in the audit log")
		}
	}
	if *p.serial != "arn:aws:iam::111122223333:mfa/ann-phone" {
		t.Error(*p.serial)
	}
	_, err := c.CreateVirtualMFADevice(ctx, &iamclient.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("ann-phone")})
	iamCase{"EntityAlreadyExists", 409, "MFADevice entity at the same path and name already exists. Delete the existing object, and try again."}.check(t, err)
	none := aws.String("arn:aws:iam::111122223333:mfa/none")
	noDevice := iamCase{"NoSuchEntity", 404, "VirtualMFADevice with serial number " + *none + " does not exist."}
	_, err = c.EnableMFADevice(ctx, &iamclient.EnableMFADeviceInput{UserName: ann, SerialNumber: none, AuthenticationCode1: p.code(0), AuthenticationCode2: p.code(1)})
	noDevice.check(t, err)
	noSuchUser("ghost").check(t, p.enable("ghost"))
	_, err = c.EnableMFADevice(ctx, &iamclient.EnableMFADeviceInput{UserName: ann, SerialNumber: p.serial, AuthenticationCode1: p.code(0), AuthenticationCode2: p.code(-1)})
	iamCase{"InvalidAuthenticationCode", 403, "Authentication code for device is not valid."}.check(t, err)
	if err := p.enable("ann"); err != nil {
		t.Fatal(err)
	}
	iamCase{"EntityAlreadyExists", 409, "The MFA device with serial number " + *p.serial + " is already in use."}.check(t, p.enable("ann"))

	list := done(c.ListMFADevices(ctx, &iamclient.ListMFADevicesInput{UserName: ann}))(t)
	if len(list.MFADevices) != 1 || *list.MFADevices[0].SerialNumber != *p.serial || *list.MFADevices[0].UserName != "ann" {
		t.Errorf("%+v", list.MFADevices)
	}
	got := done(c.GetMFADevice(ctx, &iamclient.GetMFADeviceInput{UserName: ann, SerialNumber: p.serial}))(t)
	if *got.UserName != "ann" || got.EnableDate == nil {
		t.Errorf("%+v", got)
	}
	_, err = c.GetMFADevice(ctx, &iamclient.GetMFADeviceInput{SerialNumber: p.serial})
	iamCase{"NoSuchEntity", 404, "The MFA device with serial number " + *p.serial + " is not assigned to this user."}.check(t, err)
	_, err = c.GetMFADevice(ctx, &iamclient.GetMFADeviceInput{UserName: ghost, SerialNumber: p.serial})
	noSuchUser("ghost").check(t, err)
	newPhone(t, kit, "spare")
	for status, want := range map[types.AssignmentStatusType]int{
		"": 2, types.AssignmentStatusTypeAny: 2, types.AssignmentStatusTypeAssigned: 1, types.AssignmentStatusTypeUnassigned: 1,
	} {
		out := done(c.ListVirtualMFADevices(ctx, &iamclient.ListVirtualMFADevicesInput{AssignmentStatus: status}))(t)
		if len(out.VirtualMFADevices) != want || want == 1 && (out.VirtualMFADevices[0].User != nil) != (status == "Assigned") {
			t.Errorf("%s: %+v", status, out.VirtualMFADevices)
		}
	}
	summary := done(c.GetAccountSummary(ctx, &iamclient.GetAccountSummaryInput{}))(t).SummaryMap
	if summary["MFADevices"] != 2 || summary["MFADevicesInUse"] != 1 || summary["AccountMFAEnabled"] != 0 {
		t.Errorf("%v", summary)
	}
	done(c.GenerateCredentialReport(ctx, &iamclient.GenerateCredentialReportInput{}))(t)
	report := string(done(c.GetCredentialReport(ctx, &iamclient.GetCredentialReportInput{}))(t).Content)
	for row := range strings.Lines(report) {
		if who, _, _ := strings.Cut(row, ","); who != "user" && (strings.Split(row, ",")[7] == "true") != (who == "ann") {
			t.Error(row)
		}
	}

	done(c.TagMFADevice(ctx, &iamclient.TagMFADeviceInput{SerialNumber: p.serial, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}}}))(t)
	done(c.UntagMFADevice(ctx, &iamclient.UntagMFADeviceInput{SerialNumber: p.serial, TagKeys: []string{"A"}}))(t)
	tags := done(c.ListMFADeviceTags(ctx, &iamclient.ListMFADeviceTagsInput{SerialNumber: p.serial}))(t).Tags
	if len(tags) != 1 || *tags[0].Key != "b" {
		t.Errorf("%+v", tags)
	}
	_, err = c.ListMFADeviceTags(ctx, &iamclient.ListMFADeviceTagsInput{SerialNumber: none})
	noDevice.check(t, err)

	done(c.ResyncMFADevice(ctx, &iamclient.ResyncMFADeviceInput{UserName: ann, SerialNumber: p.serial, AuthenticationCode1: p.code(10), AuthenticationCode2: p.code(11)}))(t)
	_, err = c.ResyncMFADevice(ctx, &iamclient.ResyncMFADeviceInput{UserName: ann, SerialNumber: p.serial, AuthenticationCode1: p.code(10), AuthenticationCode2: p.code(11)})
	iamCase{"InvalidAuthenticationCode", 403, "Authentication code for device is not valid."}.check(t, err)

	key := done(c.ListAccessKeys(ctx, &iamclient.ListAccessKeysInput{UserName: ann}))(t).AccessKeyMetadata[0].AccessKeyId
	done(c.DeleteAccessKey(ctx, &iamclient.DeleteAccessKeyInput{UserName: ann, AccessKeyId: key}))(t)
	_, err = c.DeleteUser(ctx, &iamclient.DeleteUserInput{UserName: ann})
	iamCase{"DeleteConflict", 409, "Cannot delete entity, must delete MFA device first."}.check(t, err)
	_, err = c.DeleteVirtualMFADevice(ctx, &iamclient.DeleteVirtualMFADeviceInput{SerialNumber: p.serial})
	iamCase{"DeleteConflict", 409, "MFA VirtualDevice in use. Must deactivate first."}.check(t, err)
	done(c.DeactivateMFADevice(ctx, &iamclient.DeactivateMFADeviceInput{UserName: ann, SerialNumber: p.serial}))(t)
	done(c.DeleteVirtualMFADevice(ctx, &iamclient.DeleteVirtualMFADeviceInput{SerialNumber: p.serial}))(t)
	done(c.DeleteUser(ctx, &iamclient.DeleteUserInput{UserName: ann}))(t)
}

// TestMFALimit: eight devices, and the root user has its own.
func TestMFALimit(t *testing.T) {
	kit := testkit.Start(t)
	kit.UserWithKey("ann")
	for i := range 8 {
		if err := newPhone(t, kit, fmt.Sprintf("p%d", i)).enable("ann"); err != nil {
			t.Fatal(err)
		}
	}
	ninth := newPhone(t, kit, "p8")
	iamCase{"LimitExceeded", 409, "Cannot exceed quota for MFADevicesPerUser: 8"}.check(t, ninth.enable("ann"))
	kit.OATHOffset.Store(int64(2 * time.Minute)) // the codes are spent
	if err := ninth.enable("root"); err != nil {
		t.Fatal(err)
	}
	if n := len(done(kit.IAM().ListMFADevices(t.Context(), &iamclient.ListMFADevicesInput{}))(t).MFADevices); n != 1 {
		t.Errorf("%d devices of the root user", n)
	}
	s := done(ninth.session(testkit.LongTerm(kit.Credentials), ninth.next()))(t)
	if _, err := kit.IAMWith(testkit.Temporary(s)).ListUsers(t.Context(), &iamclient.ListUsersInput{}); err != nil {
		t.Errorf("rule 10.3, with MFA: %v", err)
	}
}

const mfaKeyPolicy = `{"Version":"2012-10-17","Statement":[
	{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":["kms:PutKeyPolicy","kms:CreateKey","kms:CancelKeyDeletion"],"Resource":"*"},
	{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/ann"},"Action":"kms:ScheduleKeyDeletion","Resource":"*",
	"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"300"}}}]}`

// TestMFASession: rules 10.1 and 10.2 for GetSessionToken, and a key policy that
// asks for a fresh code.
func TestMFASession(t *testing.T) {
	kit := testkit.Start(t)
	ctx := t.Context()
	_, ann := kit.UserWithKey("ann")
	_, bob := kit.UserWithKey("bob")
	p := newPhone(t, kit, "ann-phone")
	key := done(kit.KMS(region).CreateKey(ctx, &kms.CreateKeyInput{Policy: aws.String(mfaKeyPolicy)}))(t).KeyMetadata.KeyId
	schedule := func(as aws.CredentialsProvider) error {
		_, err := kit.KMSWith(region, as).ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: key})
		return err
	}
	_, err := p.session(ann, p.code(0))
	refused(t, "nobody's device", err, "AccessDenied", notYours)
	if err := p.enable("ann"); err != nil {
		t.Fatal(err)
	}
	_, err = p.session(bob, p.code(1))
	refused(t, "another's device", err, "AccessDenied", notYours)
	_, err = p.session(ann, p.code(0))
	refused(t, "the code that enabled the device", err, "AccessDenied", wrongCode)

	const denied = "because no resource-based policy allows the kms:ScheduleKeyDeletion action"
	refused(t, "long-lived key", schedule(ann), "AccessDeniedException", denied)
	plain := done(kit.STSWith(region, ann).GetSessionToken(ctx, &stsclient.GetSessionTokenInput{}))(t).Credentials
	refused(t, "session without MFA", schedule(testkit.Temporary(plain)), "AccessDeniedException", denied)

	code := p.next()
	fresh := done(p.session(ann, code))(t)
	_, err = p.session(ann, code)
	refused(t, "the same code again", err, "AccessDenied", wrongCode)
	kit.Restart()
	_, err = p.session(ann, code)
	refused(t, "the same code after a restart", err, "AccessDenied", wrongCode)
	if err := schedule(testkit.Temporary(fresh)); err != nil {
		t.Errorf("with MFA: %v", err)
	}
	done(kit.KMS(region).CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: key}))(t)
	kit.Offset.Store(int64(301 * time.Second))
	refused(t, "an old code", schedule(testkit.Temporary(fresh)), "AccessDeniedException", denied)
}

// TestMFARole: rule 10.2 for AssumeRole. A code counts for the trust policy; the
// role's session has MFA only if the caller's has.
func TestMFARole(t *testing.T) {
	kit := testkit.Start(t)
	ctx := t.Context()
	_, ann := kit.UserWithKey("ann")
	p := newPhone(t, kit, "ann-phone")
	if err := p.enable("ann"); err != nil {
		t.Fatal(err)
	}
	const cond = `"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`
	role := kit.RoleTrusting("ops", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",`+
		`"Principal":{"AWS":"arn:aws:iam::111122223333:user/ann"},`+cond+`}]}`)
	done(kit.IAM().PutRolePolicy(ctx, &iamclient.PutRolePolicyInput{RoleName: aws.String("ops"), PolicyName: aws.String("p"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*",` + cond + `}]}`)}))(t)
	assume := func(as aws.CredentialsProvider, serial, code *string) (aws.CredentialsProvider, error) {
		out, err := kit.STSWith(region, as).AssumeRole(ctx, &stsclient.AssumeRoleInput{
			RoleArn: aws.String(role.ARN()), RoleSessionName: aws.String("s1"), SerialNumber: serial, TokenCode: code})
		if err != nil {
			return nil, err
		}
		return testkit.Temporary(out.Credentials), nil
	}
	list := func(as aws.CredentialsProvider) error {
		_, err := kit.KMSWith(region, as).ListKeys(ctx, &kms.ListKeysInput{})
		return err
	}
	_, err := assume(ann, nil, nil)
	refused(t, "without a code", err, "AccessDenied", "is not authorized to perform: sts:AssumeRole")
	_, err = assume(ann, p.serial, p.code(0))
	refused(t, "with a spent code", err, "AccessDenied", wrongCode)
	_, err = assume(ann, p.serial, nil)
	refused(t, "without the code", err, "AccessDenied", "must provide both MFA serial number and one time pass code.")

	code := p.next()
	session := done(assume(ann, p.serial, code))(t)
	refused(t, "role session", list(session), "AccessDeniedException", "kms:ListKeys")
	_, err = assume(ann, p.serial, code)
	refused(t, "the same code again", err, "AccessDenied", wrongCode)
	_, err = assume(session, p.serial, p.next())
	refused(t, "a role's code", err, "AccessDenied", notYours)

	own := testkit.Temporary(done(p.session(ann, p.next()))(t))
	if err := list(done(assume(own, nil, nil))(t)); err != nil {
		t.Errorf("role assumed by a session with MFA: %v", err)
	}
}

// TestRootMeansItself: the root user who names itself acts on itself, whoever else
// has that name.
func TestRootMeansItself(t *testing.T) {
	kit := testkit.Start(t)
	ctx := t.Context()
	done(kit.IAM().CreateUser(ctx, &iamclient.CreateUserInput{UserName: aws.String("root")}))(t)
	p := newPhone(t, kit, "phone")
	if err := p.enable("root"); err != nil {
		t.Fatal(err)
	}
	own := done(kit.IAM().ListMFADevices(ctx, &iamclient.ListMFADevicesInput{}))(t).MFADevices
	if len(own) != 1 || *own[0].SerialNumber != *p.serial {
		t.Errorf("the root user has %v", own)
	}
	if _, err := p.session(root(kit), p.next()); err != nil {
		t.Errorf("a code of the root user's: %v", err)
	}
}
