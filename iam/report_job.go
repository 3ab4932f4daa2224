package iam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/keyd-hsm/keyd/store"
)

// jobs is where jobs stand: <job id>: ReportJob. Their ids begin with the time,
// so the oldest comes first. Nobody's rights depend on them, so they are not under
// prefix.
const jobs = "iam-report-job/"

// Jobs are kept for a week and no more of them than this.
const (
	jobKept = 7 * 24 * time.Hour
	maxJobs = 1_000
)

// ReportJob is a question about the use of services, to be answered when its
// result is asked for: the answer is then as of that moment.
type ReportJob struct {
	Version     int       `json:"v"`
	ID          string    `json:"id"`
	ARN         string    `json:"arn"` // of a user, group, role or policy
	Granularity string    `json:"granularity"`
	Created     time.Time `json:"created"`
}

// StartReport makes a job about a user, group, role or managed policy.
func (s *Service) StartReport(tx Tx, arn, granularity string) (*ReportJob, error) {
	if _, err := s.policyName(arn); err == nil {
		if _, err := s.Policy(context.Background(), tx, arn); err != nil {
			return nil, err
		}
	} else if _, err := s.Entity(tx, arn); err != nil {
		return nil, err
	}
	if err := s.dropJobs(tx); err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	j := &ReportJob{Version: 1, ID: id.String(), ARN: arn, Granularity: granularity, Created: s.now()}
	return j, put(tx, jobs+j.ID, j)
}

// Report finds a job; NoSuchEntity when there is none, or it is too old.
func (s *Service) Report(tx Tx, id string) (*ReportJob, error) {
	j, err := load[ReportJob](tx, jobs+id)
	if errors.Is(err, store.ErrNotFound) || err == nil && s.now().Sub(j.Created) > jobKept {
		return nil, refuse(CodeNoSuchEntity, "The job with ID %s cannot be found.", id)
	}
	return j, err
}

// dropJobs makes room for one job more. The oldest stand first, so it looks into
// no more than it drops and one.
func (s *Service) dropJobs(tx Tx) error {
	var old, kept []string
	for path, value := range tx.Scan(jobs, "") {
		if len(kept) > 0 {
			kept = append(kept, path)
			continue
		}
		var j ReportJob
		if err := json.Unmarshal(value, &j); err != nil {
			return fmt.Errorf("record %s: %w", path, err)
		}
		if s.now().Sub(j.Created) > jobKept {
			old = append(old, path)
		} else {
			kept = append(kept, path)
		}
	}
	old = append(old, kept[:max(0, len(kept)-maxJobs+1)]...)
	for _, path := range old {
		if err := tx.Delete(path); err != nil {
			return err
		}
	}
	return nil
}
