-- Up Migration

-- Predictions of risk are removed by age; the oldest of an organisation are found without looking at the others.
create index sla_predictions_age on sla_predictions (organization_id, predicted_at);

-- Down Migration

drop index sla_predictions_age;
