package server_test

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

func TestCredentialReport(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	get := func() (*iamclient.GetCredentialReportOutput, error) {
		return c.GetCredentialReport(ctx, &iamclient.GetCredentialReportInput{})
	}
	iamCase{"ReportNotPresent", 410, "There is no credential report. Generate one with GenerateCredentialReport."}.check(t, second(get()))
	made := done(c.GenerateCredentialReport(ctx, &iamclient.GenerateCredentialReportInput{}))(t)
	if made.State != types.ReportStateTypeComplete {
		t.Errorf("%+v", made)
	}
	user := done(c.CreateUser(ctx, &iamclient.CreateUserInput{UserName: aws.String("a,b")}))(t).User
	key := done(c.CreateAccessKey(ctx, &iamclient.CreateAccessKeyInput{UserName: user.UserName}))(t).AccessKey
	done(c.UpdateAccessKey(ctx, &iamclient.UpdateAccessKeyInput{UserName: user.UserName, AccessKeyId: key.AccessKeyId, Status: types.StatusTypeInactive}))(t)
	kit.Server.IAM.Used(*key.AccessKeyId, "kms", "eu-1", time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC))
	report := done(get())(t)
	rows, err := csv.NewReader(strings.NewReader(string(report.Content))).ReadAll()
	if err != nil || len(rows) != 3 || report.ReportFormat != types.ReportFormatTypeTextCsv || report.GeneratedTime == nil {
		t.Fatalf("%+v %v", report, err)
	}
	at := func(tm time.Time) string { return tm.UTC().Format("2006-01-02T15:04:05+00:00") }
	want := strings.Fields("a,b arn:aws:iam::111122223333:user/a,b " + at(*user.CreateDate) + " false N/A N/A N/A false " +
		"false " + at(*key.CreateDate) + " 2025-03-01T12:00:00+00:00 eu-1 kms false N/A N/A N/A N/A false N/A false N/A")
	if diff := cmp.Diff(want, rows[2]); diff != "" {
		t.Error(diff)
	}
	root := rows[1]
	if len(rows[0]) != 22 || rows[0][0] != "user" || root[0] != "<root_account>" || root[1] != "arn:aws:iam::111122223333:root" ||
		root[3] != "not_supported" || root[8] != "true" {
		t.Errorf("%q", rows)
	}
	kit.Offset.Store(int64(4*time.Hour + time.Minute))
	iamCase{"ReportExpired", 410, "The credential report has expired. Generate one with GenerateCredentialReport."}.check(t, second(get()))
}

func TestServiceLastAccessed(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	newPolicy(t, c) // kms only
	bob, ops, deploy := three(t, c)
	carol := aws.String("carol")
	done(c.CreateUser(ctx, &iamclient.CreateUserInput{UserName: carol}))(t)
	done(c.AddUserToGroup(ctx, &iamclient.AddUserToGroupInput{GroupName: ops, UserName: carol}))(t)
	done(c.AttachGroupPolicy(ctx, &iamclient.AttachGroupPolicyInput{GroupName: ops, PolicyArn: aws.String(policyARN)}))(t)
	done(c.AttachRolePolicy(ctx, &iamclient.AttachRolePolicyInput{RoleName: deploy, PolicyArn: aws.String(policyARN)}))(t)
	done(c.PutUserPolicy(ctx, &iamclient.PutUserPolicyInput{UserName: bob, PolicyName: aws.String("p"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["kms:*","sts:Get*"],"Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*"}]}`)}))(t)

	const account = "arn:aws:iam::111122223333:"
	noon := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	kit.Server.IAM.Accessed(account+"user/carol", "kms", noon)
	if err := kit.Server.IAM.FlushAccesses(ctx); err != nil {
		t.Fatal(err)
	}
	kit.Server.IAM.Accessed(account+"role/deploy", "kms", noon.Add(time.Hour))
	kit.Server.IAM.Accessed(account+"user/bob", "iam", noon)

	job := func(arn string) *string {
		t.Helper()
		return done(c.GenerateServiceLastAccessedDetails(ctx, &iamclient.GenerateServiceLastAccessedDetailsInput{Arn: &arn}))(t).JobId
	}
	services := func(arn string) string {
		t.Helper()
		out := done(c.GetServiceLastAccessedDetails(ctx, &iamclient.GetServiceLastAccessedDetailsInput{JobId: job(arn)}))(t)
		if out.JobStatus != types.JobStatusTypeCompleted || out.JobType != types.AccessAdvisorUsageGranularityTypeServiceLevel || out.IsTruncated {
			t.Errorf("%+v", out)
		}
		var all []string
		for _, s := range out.ServicesLastAccessed {
			line := *s.ServiceNamespace
			if s.LastAuthenticated != nil {
				line += "@" + s.LastAuthenticated.Format("15:04") + strings.TrimPrefix(*s.LastAuthenticatedEntity, account)
			}
			all = append(all, line)
		}
		return strings.Join(all, " ")
	}
	got := []string{services(account + "user/bob"), services(account + "user/carol"), services(account + "group/ops"),
		services(policyARN), services(shippedRO)}
	want := []string{"cloudtrail iam@12:00user/bob keyd sts", "kms@12:00user/carol", "kms@12:00user/carol", "kms@13:00role/deploy", "cloudtrail iam kms sts"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	id := job(policyARN)
	in := &iamclient.GetServiceLastAccessedDetailsWithEntitiesInput{JobId: id, ServiceNamespace: aws.String("kms"), MaxItems: aws.Int32(1)}
	first := done(c.GetServiceLastAccessedDetailsWithEntities(ctx, in))(t)
	in.Marker = first.Marker
	rest := done(c.GetServiceLastAccessedDetailsWithEntities(ctx, in))(t)
	carolDetail := first.EntityDetailsList[0]
	if !first.IsTruncated || *carolDetail.EntityInfo.Name != "carol" || carolDetail.EntityInfo.Type != types.PolicyOwnerEntityTypeUser ||
		!carolDetail.LastAuthenticated.Equal(noon) || *rest.EntityDetailsList[0].EntityInfo.Arn != account+"role/deploy" || rest.IsTruncated {
		t.Errorf("%+v\n%+v", first, rest)
	}

	granting := done(c.ListPoliciesGrantingServiceAccess(ctx, &iamclient.ListPoliciesGrantingServiceAccessInput{
		Arn: aws.String(account + "user/carol"), ServiceNamespaces: []string{"kms", "iam"}}))(t).PoliciesGrantingServiceAccess
	if len(granting) != 2 || len(granting[0].Policies) != 1 || *granting[0].Policies[0].PolicyArn != policyARN || len(granting[1].Policies) != 0 ||
		granting[0].Policies[0].PolicyType != types.PolicyTypeManaged {
		t.Errorf("%+v", granting)
	}
	own := done(c.ListPoliciesGrantingServiceAccess(ctx, &iamclient.ListPoliciesGrantingServiceAccessInput{
		Arn: aws.String(account + "user/bob"), ServiceNamespaces: []string{"iam"}}))(t).PoliciesGrantingServiceAccess[0].Policies
	if len(own) != 1 || own[0].PolicyType != types.PolicyTypeInline || *own[0].EntityName != "bob" || own[0].EntityType != types.PolicyOwnerEntityTypeUser {
		t.Errorf("%+v", own)
	}

	// What a job is about may go away; so does the job.
	id = job(account + "user/bob")
	done(c.DeleteUserPolicy(ctx, &iamclient.DeleteUserPolicyInput{UserName: bob, PolicyName: aws.String("p")}))(t)
	done(c.DeleteUser(ctx, &iamclient.DeleteUserInput{UserName: bob}))(t)
	failed := done(c.GetServiceLastAccessedDetails(ctx, &iamclient.GetServiceLastAccessedDetailsInput{JobId: id}))(t)
	if failed.JobStatus != types.JobStatusTypeFailed || *failed.Error.Code != "NoSuchEntity" {
		t.Errorf("%+v", failed)
	}
	noSuchUser("bob").check(t, second(c.GenerateServiceLastAccessedDetails(ctx,
		&iamclient.GenerateServiceLastAccessedDetailsInput{Arn: aws.String(account + "user/bob")})))
	kit.Offset.Store(int64(8 * 24 * time.Hour))
	iamCase{"NoSuchEntity", 404, "The job with ID " + *id + " cannot be found."}.check(t, second(
		c.GetServiceLastAccessedDetails(ctx, &iamclient.GetServiceLastAccessedDetailsInput{JobId: id})))
}
