export * from './database.ts';
export * from './disk.ts';
export * from './memory-disk.ts';
export {
  SEGMENT_CHECK_SCHEMA,
  SEGMENT_FORM_SCHEMA,
  SEGMENT_STORE_SCHEMA,
} from './segment-index.ts';
export type { BlockRange, SegmentCodec, SegmentForm, SegmentRow } from './segment-row.ts';
export * from './segment-store.ts';
export type { SectorRange, SegmentRecode, SegmentWrite } from './stage.ts';
export { volumePath } from './volumes.ts';
