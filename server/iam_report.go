package server

import (
	"errors"
	"strings"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

func generateCredentialReport(s *Server, _ *call, tx kms.Tx, _ *iamapi.GenerateCredentialReportRequest) (*iamapi.GenerateCredentialReportResponse, error) {
	return &iamapi.GenerateCredentialReportResponse{State: new(iamapi.ReportStateTypeComplete)}, s.IAM.StartCredentialReport(tx)
}

func getCredentialReport(s *Server, _ *call, tx kms.Tx, _ *iamapi.GetCredentialReportRequest) (*iamapi.GetCredentialReportResponse, error) {
	content, at, err := s.IAM.CredentialReport(tx)
	return &iamapi.GetCredentialReportResponse{
		Content: content, ReportFormat: new(iamapi.ReportFormatType("text/csv")), GeneratedTime: api.At(at),
	}, err
}

// onReported resolves a question about the user, group, role or policy of an ARN.
func onReported[I any](action string, arn func(*I) *string) resolver[I] {
	return func(s *Server, c *call, tx kms.Tx, in *I) ([]authz.Check, error) {
		name := api.Value(arn(in))
		for _, kind := range []string{iam.KindUser, iam.KindGroup, iam.KindRole} {
			if _, ok := strings.CutPrefix(name, s.IAM.ARN(kind, "/", "")); ok {
				check, err := s.entityCheck(c, tx, action, kind, name[strings.LastIndexByte(name, '/')+1:])
				check.Resource = name
				return []authz.Check{check}, err
			}
		}
		return onPolicy(action, arn)(s, c, tx, in)
	}
}

func generateServiceReport(s *Server, _ *call, tx kms.Tx, in *iamapi.GenerateServiceLastAccessedDetailsRequest) (*iamapi.GenerateServiceLastAccessedDetailsResponse, error) {
	granularity := api.Value(in.Granularity)
	if granularity == "" {
		granularity = iamapi.AccessAdvisorUsageGranularityTypeServiceLevel
	}
	job, err := s.IAM.StartReport(tx, *in.Arn, string(granularity))
	if err != nil {
		return nil, err
	}
	return &iamapi.GenerateServiceLastAccessedDetailsResponse{JobId: &job.ID}, nil
}

func getServiceReport(s *Server, _ *call, tx kms.Tx, in *iamapi.GetServiceLastAccessedDetailsRequest) (*iamapi.GetServiceLastAccessedDetailsResponse, error) {
	job, err := s.IAM.Report(tx, *in.JobId)
	if err != nil {
		return nil, err
	}
	out := &iamapi.GetServiceLastAccessedDetailsResponse{
		JobStatus: new(iamapi.JobStatusTypeCompleted), JobType: new(iamapi.AccessAdvisorUsageGranularityType(job.Granularity)),
		JobCreationDate: api.At(job.Created), JobCompletionDate: api.At(job.Created),
		ServicesLastAccessed: []iamapi.ServiceLastAccessed{},
	}
	found, next, err := s.IAM.ServicesAccessed(tx, job.ARN, iamPage(in.Marker, in.MaxItems))
	if out.Error = reportError(err); out.Error != nil {
		out.JobStatus, err = new(iamapi.JobStatusTypeFailed), nil
	}
	if err != nil {
		return nil, err
	}
	for _, a := range found {
		out.ServicesLastAccessed = append(out.ServicesLastAccessed, serviceAccess(a))
	}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}

func serviceAccess(a iam.ServiceAccess) iamapi.ServiceLastAccessed {
	out := iamapi.ServiceLastAccessed{
		ServiceName: &a.Name, ServiceNamespace: &a.Namespace, TotalAuthenticatedEntities: new(int32(a.Entities)),
	}
	if !a.Last.IsZero() {
		out.LastAuthenticated, out.LastAuthenticatedEntity = api.At(a.Last), &a.LastEntity
	}
	return out
}

// reportError is how a job says that what it is about is gone; nil for every
// other error and for none.
func reportError(err error) *iamapi.ErrorDetails {
	var refusal *iam.Error
	if !errors.As(err, &refusal) || refusal.Code != iam.CodeNoSuchEntity {
		return nil
	}
	return &iamapi.ErrorDetails{Code: &refusal.Code, Message: &refusal.Message}
}

func getServiceReportEntities(s *Server, _ *call, tx kms.Tx, in *iamapi.GetServiceLastAccessedDetailsWithEntitiesRequest) (*iamapi.GetServiceLastAccessedDetailsWithEntitiesResponse, error) {
	job, err := s.IAM.Report(tx, *in.JobId)
	if err != nil {
		return nil, err
	}
	out := &iamapi.GetServiceLastAccessedDetailsWithEntitiesResponse{
		JobStatus:       new(iamapi.JobStatusTypeCompleted),
		JobCreationDate: api.At(job.Created), JobCompletionDate: api.At(job.Created),
		EntityDetailsList: []iamapi.EntityDetails{},
	}
	found, next, err := s.IAM.EntitiesAccessed(tx, job.ARN, *in.ServiceNamespace, iamPage(in.Marker, in.MaxItems))
	if out.Error = reportError(err); out.Error != nil {
		out.JobStatus, err = new(iamapi.JobStatusTypeFailed), nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range found {
		detail := iamapi.EntityDetails{EntityInfo: &iamapi.EntityInfo{
			Arn: &e.ARN, Name: &e.Name, Id: &e.ID, Path: &e.Path, Type: ownerType(e.Kind),
		}}
		if !e.Last.IsZero() {
			detail.LastAuthenticated = api.At(e.Last)
		}
		out.EntityDetailsList = append(out.EntityDetailsList, detail)
	}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}

func ownerType(kind string) *iamapi.PolicyOwnerEntityType {
	return new(iamapi.PolicyOwnerEntityType(strings.ToUpper(kind)))
}

func listPoliciesGranting(s *Server, _ *call, tx kms.Tx, in *iamapi.ListPoliciesGrantingServiceAccessRequest) (*iamapi.ListPoliciesGrantingServiceAccessResponse, error) {
	out := &iamapi.ListPoliciesGrantingServiceAccessResponse{IsTruncated: new(false)}
	for _, namespace := range in.ServiceNamespaces {
		found, err := s.IAM.Granting(tx, *in.Arn, namespace)
		if err != nil {
			return nil, err
		}
		out.PoliciesGrantingServiceAccess = append(out.PoliciesGrantingServiceAccess,
			iamapi.ListPoliciesGrantingServiceAccessEntry{ServiceNamespace: &namespace, Policies: each(found, grantingPolicy)})
	}
	return out, nil
}

func grantingPolicy(p iam.Source) *iamapi.PolicyGrantingServiceAccess {
	if p.ARN != "" {
		return &iamapi.PolicyGrantingServiceAccess{
			PolicyName: &p.Name, PolicyType: new(iamapi.PolicyTypeManaged), PolicyArn: &p.ARN,
		}
	}
	return &iamapi.PolicyGrantingServiceAccess{
		PolicyName: &p.Name, PolicyType: new(iamapi.PolicyTypeInline),
		EntityName: &p.Holder.Name, EntityType: ownerType(p.Holder.Kind),
	}
}
