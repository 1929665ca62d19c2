-- For a page of usage records, which are listed by what they are about: as many are read as are told.
create index usage_open_subject on usage_open (kind, subject_id, since);
create index usage_span_subject on usage_span (kind, subject_id, since);
