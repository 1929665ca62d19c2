-- `trace`: the W3C traceparent of what asked for the operation, so that whoever runs it goes on in the same trace.
alter table operation add column trace text;
