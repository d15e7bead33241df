-- 索引 · Indexes of the read model, in a file of their own: a model that is loaded at one go gets them when its rows are there.
CREATE INDEX chains_by_opening ON chains (opened_at_s DESC, chain_id) WHERE kind = 'MATTER';
CREATE INDEX chains_by_number ON chains (dispute_no) WHERE dispute_no IS NOT NULL;
CREATE INDEX chains_unsettled ON chains (chain_id) WHERE is_settled = 0;
CREATE INDEX ties_by_agency ON ties (agency, chain_id);
CREATE INDEX handoffs_by_target ON handoffs (to_agency, due_on);
CREATE INDEX clocks_open ON clocks (obliged_agency, due_on) WHERE state = 'OPEN';
CREATE INDEX obligations_open ON obligations (agency, due_on) WHERE state = 'OPEN';
CREATE INDEX findings_by_code ON findings (code, chain_id);
CREATE INDEX findings_by_agency ON findings (agency, code);
CREATE INDEX accesses_by_chain ON accesses (chain, recorded_at_ms);
CREATE INDEX accesses_by_agency ON accesses (agency, recorded_at_ms);
